import { type JsonObject, readJson } from '../json/read-json.ts';

const encoder = new TextEncoder();

/** What OpenAI's streams end with. */
export const DONE = '[DONE]';

/** One event without a type. The text holds no line break: JSON of one line, or `[DONE]`. */
export function encodeEvent(data: string): Uint8Array {
  return encoder.encode(`data: ${data}\n\n`);
}

/** One event that names its type, in the data as well as beside it. */
export function encodeTypedEvent(type: string, fields: JsonObject): Uint8Array {
  return encoder.encode(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
}

/** Whether the data of an event was not cut: JSON, or the mark of the end. */
export function isWholeData(data: string): boolean {
  return data.trim() === DONE || readJson(data) !== undefined;
}
