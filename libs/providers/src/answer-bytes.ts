import { GatewayError } from '@gateway/protocol';

/**
 * All bytes, or `provider_bad_response` when they are more than `bytesMax`. `onBytes` is told of each
 * piece before it is kept, and stops the reading by throwing.
 */
export async function readAll(
  provider: string,
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
  onBytes?: (bytes: number) => void,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    onBytes?.(piece.length);
    length += piece.length;
    if (length > bytesMax) {
      const message = `The provider ${provider} sent an answer of more than ${bytesMax} bytes.`;
      throw new GatewayError('provider_bad_response', message, { provider });
    }
    pieces.push(piece);
  }
  return joinBytes(pieces);
}

/** At most the first `bytesMax` bytes. */
export async function readStart(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    pieces.push(piece.subarray(0, bytesMax - length));
    length += piece.length;
    if (length >= bytesMax) break;
  }
  return joinBytes(pieces);
}

export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}
