/**
 * The `encrypted_content` of a reasoning item that another vendor's model thought: what the vendor
 * wants back in the next turn (signatures, redacted thoughts, signatures of calls), in a form that
 * only the gateway reads. It is opaque to clients, as OpenAI's own is, and not secret: it holds
 * nothing that the vendor did not send.
 */
import { z } from 'zod';
import { decodeUtf8, readJson } from '../json/read-json.ts';

const PREFIX = 'gw1.';

const kept = z.object({
  details: z.array(z.looseObject({ type: z.string() })).optional(),
  /** What belongs to calls of tools, by their ids. */
  calls: z.record(z.string(), z.unknown()).optional(),
});

export type KeptReasoning = z.infer<typeof kept>;

export function encryptedContent(value: KeptReasoning): string {
  return PREFIX + Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
}

/** Undefined for content that is not ours: another vendor cannot read OpenAI's. */
export function readEncryptedContent(
  content: string | null | undefined,
): KeptReasoning | undefined {
  if (!content?.startsWith(PREFIX)) return undefined;
  const text = decodeUtf8(Buffer.from(content.slice(PREFIX.length), 'base64url'));
  const result = kept.safeParse(readJson(text));
  return result.success ? result.data : undefined;
}
