/**
 * The tokens of a prompt where the provider has no way to count them: a quarter of the characters of
 * everything that the model is shown, which for English text and code is within a fifth or so of the
 * truth, and a flat price for each picture, sound and document, whose bytes tell nothing.
 */
import type { ChatRequest } from '../chat/chat-request.ts';
import { estimateTokens } from '../estimate-tokens.ts';
import { isObject } from '../json/read-json.ts';

/** What Anthropic says that an image of the size it scales to costs. */
const MEDIA_TOKENS = 1_600;
/** Types of parts in any dialect; Google's have none and are known by their members. */
const MEDIA_PARTS: readonly unknown[] = [
  'image_url',
  'input_audio',
  'file',
  'image',
  'document',
  'input_image',
  'input_file',
];
const MEDIA_MEMBERS = ['inlineData', 'inline_data', 'fileData', 'file_data'];

export function estimateRequestTokens({ messages, tools }: ChatRequest): number {
  const seen = { characters: 0, media: 0 };
  for (const message of messages) walk(message, seen);
  walk(tools ?? [], seen);
  return estimateTokens(seen.characters) + seen.media * MEDIA_TOKENS;
}

/** The same of a request in any dialect, as JSON says it: rougher, since all of it is counted. */
export function estimatePromptTokens(request: object): number {
  const seen = { characters: 0, media: 0 };
  walk(request, seen);
  return estimateTokens(seen.characters) + seen.media * MEDIA_TOKENS;
}

function isMedia(part: object): boolean {
  const { type } = part as { readonly type?: unknown };
  if (MEDIA_PARTS.includes(type)) return true;
  return MEDIA_MEMBERS.some((name) => Object.hasOwn(part, name));
}

function walk(value: unknown, seen: { characters: number; media: number }): void {
  if (typeof value === 'string') seen.characters += value.length;
  else if (Array.isArray(value)) for (const entry of value) walk(entry, seen);
  else if (isObject(value)) {
    if (isMedia(value)) seen.media += 1;
    else
      for (const [name, member] of Object.entries(value)) {
        // Proofs of reasoning are for the provider, not for the model.
        if (name !== 'reasoning_details') walk(member, seen);
      }
  }
}
