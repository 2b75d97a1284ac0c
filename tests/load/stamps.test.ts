import { expect, test } from 'vitest';
import { StampReader, stamp } from './stamps.ts';

test('stamps are found however the stream is cut', () => {
  const stream = Buffer.from(`data: ${stamp()}"\n\ndata: "${stamp()}"\n\n@12 is none${stamp()}`);
  for (let at = 0; at <= stream.length; at += 1) {
    const ages: number[] = [];
    const reader = new StampReader();
    for (const piece of [stream.subarray(0, at), stream.subarray(at)]) {
      reader.push(piece, (ageMs) => ages.push(ageMs));
    }
    expect(ages).toHaveLength(3);
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(0);
  }
});
