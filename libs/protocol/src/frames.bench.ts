import { test } from 'vitest';
import { decodeFrame, encodeFrame, type Frame } from './frames.ts';

// Vitest reads an import through a getter, which would be measured too.
const [encode, decode] = [encodeFrame, decodeFrame];

const CHUNK_BYTES = 200;

const frame: Frame = {
  type: 'data',
  attempt: 1,
  sequence: 7,
  payload: Buffer.alloc(CHUNK_BYTES, 'x'),
};

test('a frame with a chunk of a stream', async ({ bench }) => {
  const bytes = encode(frame);
  await bench.compare(
    bench('encodeFrame', () => void encode(frame)),
    bench('decodeFrame', () => void decode(bytes)),
  );
});
