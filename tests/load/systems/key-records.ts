import { randomBytes } from 'node:crypto';
import type { Bucket } from '@gateway/bus';
import { KEY_SCHEMA, type KeyRecord, newKey } from '@gateway/protocol';

const PUTS_AT_ONCE_MAX = 1_000;
const DIGEST_BYTES = 32;

/** Fills the bucket with keys that nobody knows the text of. */
export async function putKeys(bucket: Bucket, count: number): Promise<void> {
  for (let put = 0; put < count; put += PUTS_AT_ONCE_MAX) {
    const records = Array.from({ length: Math.min(PUTS_AT_ONCE_MAX, count - put) }, keyRecord);
    await Promise.all(records.map((record) => bucket.put(record.id, record)));
  }
}

function keyRecord(): KeyRecord {
  return {
    schema: KEY_SCHEMA,
    id: newKey().id,
    tenant: 'default',
    name: 'one of many',
    role: 'client',
    digest: randomBytes(DIGEST_BYTES).toString('hex'),
    createdAt: new Date(0).toISOString(),
  };
}
