import { test } from 'vitest';
import { decodeFrames, encodeFrames, type Frame } from './frames.ts';

// Vitest reads an import through a getter, which would be measured too.
const [encode, decode] = [encodeFrames, decodeFrames];

const bytes = (length: number) => Buffer.alloc(length, 'x');

test.for<{ name: string; frames: Frame[] }>([
  {
    name: 'a chunk of a stream',
    frames: [{ type: 'data', attempt: 1, sequence: 7, payload: bytes(200) }],
  },
  {
    name: 'all of a short answer after its start',
    frames: [
      { type: 'head', attempt: 1, sequence: 1, payload: bytes(80) },
      { type: 'data', attempt: 1, sequence: 2, payload: bytes(600) },
      { type: 'end', attempt: 1, sequence: 3, payload: bytes(500) },
    ],
  },
])('a message with $name', async ({ frames }, { bench }) => {
  const calls = [{ key: '0199aa00-0000-7000-8000-000000000001.1', frames }];
  const message = encode(calls);
  await bench.compare(
    bench('encodeFrames', () => void encode(calls)),
    bench('decodeFrames', () => void decode(message)),
  );
});
