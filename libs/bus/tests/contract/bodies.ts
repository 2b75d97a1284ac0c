import { createHash, randomBytes } from 'node:crypto';
import { inferenceEndpoint, newRequestId } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { BODY_PIECE_BYTES, INLINE_BODY_BYTES_MAX } from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';
import type { Handler } from './calls.ts';
import {
  attempted,
  bytesOf,
  callOptions,
  collect,
  HEAD,
  inferenceRequest,
  newProvider,
} from './sample-messages.ts';

function digest(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`;
}

const MEBIBYTE = 1024 * 1024;

export function bodyCases(peers: Peers): void {
  describe('bodies of calls', () => {
    test.each([
      { name: 'none', bytes: 0 },
      { name: 'one byte', bytes: 1 },
      { name: 'the largest inline one', bytes: INLINE_BODY_BYTES_MAX },
      { name: 'one byte more', bytes: INLINE_BODY_BYTES_MAX + 1 },
      { name: 'exactly a piece', bytes: BODY_PIECE_BYTES },
      { name: 'a piece and a byte', bytes: BODY_PIECE_BYTES + 1 },
      { name: '10 MiB', bytes: 10 * MEBIBYTE },
    ])('arrive as they were sent: $name', async ({ bytes }) => {
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const handler: Handler = async (incoming) => {
        const body = await incoming.body();
        incoming.accept();
        incoming.head(HEAD);
        await incoming.data(Buffer.from(digest(body)));
        await incoming.end(attempted(incoming.requestId));
      };
      await worker.serve(endpoint, handler, { concurrencyMax: 1 });
      const body = randomBytes(bytes);
      const requestId = newRequestId();
      const message = {
        value: inferenceRequest('demo', requestId),
        ...(bytes > 0 && { body }),
      };
      const frames = await collect(ingress.call(endpoint, message, callOptions(requestId)));
      expect(bytesOf(frames).toString()).toBe(digest(body));
      expect(frames.at(-1)?.type).toBe('end');
    });
  });
}
