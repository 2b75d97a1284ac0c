/**
 * Signatures and encrypted thoughts of other vendors inside Anthropic's blocks, which have one text
 * for them: the text says whose it is, so that a following turn can be told apart from Anthropic's
 * own, whose text stands as it is.
 */
import type { ReasoningFormat } from '../chat/reasoning-details.ts';

export interface OwnedText {
  readonly format: ReasoningFormat;
  readonly id?: string | undefined;
  readonly text: string;
}

const FOREIGN = /^(openai-responses-v1|google-gemini-v1):([^:]{0,256}):/;

export function writeOwned({ format, id = '', text }: OwnedText): string {
  return format === 'anthropic-claude-v1' ? text : `${format}:${id}:${text}`;
}

export function readOwned(said: string): OwnedText {
  const found = FOREIGN.exec(said);
  if (found === null) return { format: 'anthropic-claude-v1', text: said };
  const text = said.slice(found[0].length);
  const id = found[2];
  return { format: found[1] as ReasoningFormat, text, ...(id && { id }) };
}
