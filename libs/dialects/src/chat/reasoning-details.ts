/**
 * What a model wants back of its own reasoning in a later turn: signatures and encrypted thoughts.
 * OpenAI's dialect has no place for it; `reasoning_details` on the assistant's message is
 * OpenRouter's, which clients know.
 * @see https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning
 */
import { isObject, type JsonObject } from '../json/read-json.ts';

/** Whose reasoning it is: another vendor, or another model of it, refuses it. */
export type ReasoningFormat = 'anthropic-claude-v1' | 'openai-responses-v1' | 'google-gemini-v1';

export interface SignedReasoning {
  readonly type: 'reasoning.text';
  readonly text: string;
  readonly signature: string;
  readonly format: ReasoningFormat;
}

export interface EncryptedReasoning {
  readonly type: 'reasoning.encrypted';
  readonly data: string;
  readonly format: ReasoningFormat;
  /** The vendor's own id of the thought, where it wants that back, too. */
  readonly id?: string | undefined;
}

export type ReasoningDetail = SignedReasoning | EncryptedReasoning;

const FORMATS: readonly ReasoningFormat[] = [
  'anthropic-claude-v1',
  'openai-responses-v1',
  'google-gemini-v1',
];

/**
 * The details of a message or a delta that are worth sending back, in their order. Whatever has
 * another shape is left out: unsigned thoughts are no use to any vendor.
 */
export function readReasoningDetails(value: unknown): readonly ReasoningDetail[] {
  if (!Array.isArray(value)) return [];
  // Clients that keep a stream's pieces as they came have the text before its signature.
  let unsigned = '';
  return value.flatMap((entry: unknown): ReasoningDetail[] => {
    if (!isObject(entry)) return [];
    const detail = detailOf(entry);
    const text = entry.type === 'reasoning.text' ? entry.text : undefined;
    if (detail === undefined) {
      if (typeof text === 'string') unsigned += text;
      return [];
    }
    const before = unsigned;
    unsigned = '';
    return detail.type === 'reasoning.text'
      ? [{ ...detail, text: before + detail.text }]
      : [detail];
  });
}

function detailOf(entry: JsonObject): ReasoningDetail | undefined {
  const format = FORMATS.find((known) => known === entry.format);
  if (format === undefined) return undefined;
  const { type, text, signature, data, id } = entry;
  if (type === 'reasoning.text' && typeof signature === 'string' && signature !== '') {
    return { type, text: typeof text === 'string' ? text : '', signature, format };
  }
  if (type !== 'reasoning.encrypted' || typeof data !== 'string' || data === '') return undefined;
  return { type, data, format, ...(typeof id === 'string' && { id }) };
}
