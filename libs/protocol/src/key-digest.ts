/**
 * HMAC-SHA256 of the texts of keys under the pepper, as RFC 2104 has it, from two hashes in one call
 * each: `createHmac` makes an object of the native side for every digest, which cost a request 18 µs
 * with its collection. Texts up to the bound of a key are hashed in place beside the prepared pads.
 */
import { createHmac, hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
/** Bytes of a text that are hashed in place; a longer one, which is no key, takes the slow way. */
export const TEXT_BYTES_IN_PLACE_MAX = 2_048;

/** The digest of a text in hex. */
export type KeyDigest = (text: string) => string;

/** Prepares the pads of the pepper once for any number of digests. */
export function keyDigestUnder(pepper: string): KeyDigest {
  const inner = Buffer.alloc(BLOCK_BYTES + TEXT_BYTES_IN_PLACE_MAX);
  const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);
  blockOf(pepper).forEach((byte, index) => {
    inner[index] = byte ^ INNER_PAD;
    outer[index] = byte ^ OUTER_PAD;
  });
  return (text) => {
    if (Buffer.byteLength(text, 'utf8') > TEXT_BYTES_IN_PLACE_MAX) {
      return createHmac('sha256', pepper).update(text, 'utf8').digest('hex');
    }
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, 'utf8');
    // In hex, since a digest as a buffer is another native object: 0.3 µs rather than 0.9.
    outer.write(hash('sha256', inner.subarray(0, end)), BLOCK_BYTES, 'hex');
    return hash('sha256', outer);
  };
}

/** The pepper as a block of the hash: hashed where it is longer, then filled up with zeros. */
function blockOf(pepper: string): Buffer {
  const bytes = Buffer.from(pepper, 'utf8');
  const block = Buffer.alloc(BLOCK_BYTES);
  if (bytes.length > BLOCK_BYTES) block.write(hash('sha256', bytes), 'hex');
  else bytes.copy(block);
  return block;
}
