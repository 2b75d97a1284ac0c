/**
 * A stored answer as bytes: one byte of version, four of the entry's length (big-endian), the entry
 * as JSON, the body as it is. Bytes of another version, or that make no sense, are no answer.
 */
import { cacheLookupEndpoint } from '@gateway/protocol';
import type { StoredResponse } from './response-store.ts';

const VERSION = 1;
const PREFIX_BYTES = 5;

export function encodeResponse({ entry, body }: StoredResponse): Buffer {
  const json = JSON.stringify(entry);
  const jsonBytes = Buffer.byteLength(json);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + jsonBytes + body.length);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32BE(jsonBytes, 1);
  bytes.write(json, PREFIX_BYTES);
  bytes.set(body, PREFIX_BYTES + jsonBytes);
  return bytes;
}

/** The body is a view of the given bytes. */
export function decodeResponse(bytes: Buffer): StoredResponse | undefined {
  if (bytes.length < PREFIX_BYTES || bytes.readUInt8(0) !== VERSION) return undefined;
  const bodyStart = PREFIX_BYTES + bytes.readUInt32BE(1);
  if (bodyStart > bytes.length) return undefined;
  const entry = parseEntry(bytes.toString('utf8', PREFIX_BYTES, bodyStart));
  return entry && { entry, body: bytes.subarray(bodyStart) };
}

function parseEntry(json: string): StoredResponse['entry'] | undefined {
  try {
    return cacheLookupEndpoint.reply.parse({ entry: JSON.parse(json) }).entry;
  } catch {
    return undefined;
  }
}
