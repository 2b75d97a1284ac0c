import {
  FRAME_PAYLOAD_BYTES_MAX,
  GatewayError,
  type InferenceHead,
  type InferenceRequest,
  inferenceEndpoint,
  newRequestId,
} from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  type Bus,
  CALL_WINDOW_BYTES,
  type CallHandler,
  type OutgoingCall,
  type ReplyFrame,
} from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';
import { eventsOf } from './recorded-events.ts';
import {
  attempted,
  bytesOf,
  callOptions,
  collect,
  errorOf,
  HEAD,
  inferenceRequest,
  newProvider,
} from './sample-messages.ts';

export type Handler = CallHandler<InferenceRequest, InferenceHead>;

/** An ingress, a worker that serves a provider of its own, and a way to call it. */
export async function servedBy(
  peers: Peers,
  handler: Handler,
  concurrencyMax = 100,
): Promise<{
  ingress: Bus;
  worker: Bus;
  call(requestId: string, timeoutMs?: number): OutgoingCall<InferenceHead>;
}> {
  const endpoint = inferenceEndpoint(newProvider());
  const ingress = await peers.connect('ingress');
  const worker = await peers.connect('provider-worker');
  await worker.serve(endpoint, handler, { concurrencyMax });
  return {
    ingress,
    worker,
    call: (requestId, timeoutMs) =>
      ingress.call(
        endpoint,
        { value: inferenceRequest('demo', requestId) },
        callOptions(requestId, timeoutMs),
      ),
  };
}

const cancelled = new GatewayError('client_closed', 'The client left.');

export function callCases(peers: Peers): void {
  describe('call and serve', () => {
    test('streams accepted, head, data in order and end, and the event is durable', async () => {
      const parts = Array.from({ length: 200 }, (_, index) => Buffer.from(`part ${index};`));
      const { ingress, worker, call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        for (const part of parts) await incoming.data(part);
        await incoming.end(attempted(incoming.requestId, incoming.attempt));
      });
      const requestId = newRequestId();
      const frames = await collect(call(requestId));
      expect(frames[0]).toEqual({ type: 'accepted', worker: worker.identity.instance });
      expect(frames[1]).toEqual({ type: 'head', head: HEAD });
      expect(bytesOf(frames).toString()).toBe(Buffer.concat(parts).toString());
      expect(frames.at(-1)).toMatchObject({ type: 'end', event: { requestId, attempt: 1 } });
      expect(frames.filter(({ type }) => type === 'end' || type === 'error')).toHaveLength(1);
      expect(ingress.outage).toBeUndefined();
      expect(await eventsOf(peers, requestId)).toHaveLength(1);
    });

    test('stops a worker at the window until the consumer reads, and loses nothing', async () => {
      const part = Buffer.alloc(16 * 1024, 'x');
      let sentBytes = 0;
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        for (let count = 0; count < 64; count += 1) {
          const sent = incoming.data(part);
          sentBytes += part.length;
          await sent;
        }
        await incoming.end(attempted(incoming.requestId));
      });
      const slow = call(newRequestId());
      const iterator = slow[Symbol.asyncIterator]();
      const first = [await iterator.next(), await iterator.next()];
      expect(first.map(({ value }) => value.type)).toEqual(['accepted', 'head']);
      await waitFor(() => sentBytes >= CALL_WINDOW_BYTES, { what: 'the window to be used up' });
      // A whole other call passes, and the worker still waits.
      const other = await collect(call(newRequestId())).then(bytesOf);
      expect(other.length).toBe(64 * part.length);
      expect(sentBytes - other.length).toBe(CALL_WINDOW_BYTES);
      const rest: ReplyFrame<unknown>[] = [];
      for await (const frame of slow) rest.push(frame);
      expect(bytesOf(rest).length).toBe(64 * part.length);
      expect(rest.at(-1)?.type).toBe('end');
    });

    test('cuts data larger than a frame and the window into frames', async () => {
      const bytes = Buffer.alloc(3 * FRAME_PAYLOAD_BYTES_MAX + 1, 'y');
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await incoming.data(bytes);
        await incoming.end(attempted(incoming.requestId));
      });
      const frames = await collect(call(newRequestId()));
      expect(bytesOf(frames).equals(bytes)).toBe(true);
      for (const frame of frames) {
        if (frame.type !== 'data') continue;
        expect(frame.bytes.length).toBeLessThanOrEqual(FRAME_PAYLOAD_BYTES_MAX);
      }
    });

    test('cancels: the signal aborts with the reason and the end says what was spent', async () => {
      const seen = Promise.withResolvers<unknown>();
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
        seen.resolve(incoming.signal.reason);
        await incoming.fail(incoming.signal.reason, attempted(incoming.requestId));
      });
      const requestId = newRequestId();
      const running = call(requestId);
      const iterator = running[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.next();
      running.cancel(cancelled);
      const last = await iterator.next();
      expect(last.value).toMatchObject({
        type: 'error',
        error: { code: 'client_closed' },
        event: { requestId },
      });
      expect((await iterator.next()).done).toBe(true);
      expect(await seen.promise).toMatchObject({ code: 'client_closed' });
      expect(await eventsOf(peers, requestId)).toHaveLength(1);
    });

    test('a cancel before accepted reaches the worker when it accepts', async () => {
      const proceed = Promise.withResolvers<void>();
      const { call } = await servedBy(peers, async (incoming) => {
        await proceed.promise;
        incoming.accept();
        await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
        await incoming.fail(incoming.signal.reason);
      });
      const running = call(newRequestId());
      running.cancel(cancelled);
      proceed.resolve();
      expect(errorOf(await collect(running)).code).toBe('client_closed');
    });

    test('ends a cancelled call by itself when the worker does not', async () => {
      const release = Promise.withResolvers<void>();
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        await release.promise;
      });
      const running = call(newRequestId());
      await running[Symbol.asyncIterator]().next();
      running.cancel(cancelled);
      expect(errorOf(await collect(running)).code).toBe('client_closed');
      release.resolve();
    });

    test('a consumer that stops reading cancels, and the event is durable still', async () => {
      const seen = Promise.withResolvers<unknown>();
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
        seen.resolve(incoming.signal.reason);
        await incoming.fail(incoming.signal.reason, attempted(incoming.requestId));
      });
      const requestId = newRequestId();
      for await (const frame of call(requestId)) if (frame.type === 'head') break;
      expect(await seen.promise).toMatchObject({ code: 'client_closed' });
      // Nobody waits for the event any more, so it may still be on its way.
      const stored = async () => (await eventsOf(peers, requestId)).length > 0;
      await waitFor(stored, { what: 'the event' });
    });

    test('sends one terminal frame however often the handler ends the call', async () => {
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await incoming.end(attempted(incoming.requestId));
        await incoming.end(attempted(incoming.requestId));
        await incoming.fail(cancelled);
      });
      const frames = await collect(call(newRequestId()));
      expect(frames.map(({ type }) => type)).toEqual(['accepted', 'head', 'end']);
    });

    test('answers each of many calls that begin in one turn', async () => {
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await incoming.data(Buffer.from(incoming.requestId));
        await incoming.end(attempted(incoming.requestId));
      });
      const requests = Array.from({ length: 50 }, () => newRequestId());
      const answers = await Promise.all(requests.map((requestId) => collect(call(requestId))));
      for (const [index, requestId] of requests.entries()) {
        const frames = answers[index] as ReplyFrame<InferenceHead>[];
        expect(bytesOf(frames).toString()).toBe(requestId);
        expect(frames.at(-1)).toMatchObject({ type: 'end', event: { requestId } });
      }
    });

    test('keeps the attempts of one request apart', async () => {
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const handler: Handler = async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await incoming.data(Buffer.from(String(incoming.attempt)));
        await incoming.end(attempted(incoming.requestId, incoming.attempt));
      };
      await worker.serve(endpoint, handler, { concurrencyMax: 2 });
      const requestId = newRequestId();
      const value = inferenceRequest('demo', requestId);
      const results = await Promise.all(
        [1, 2].map((attempt) =>
          collect(ingress.call(endpoint, { value }, { ...callOptions(requestId), attempt })),
        ),
      );
      expect(results.map((frames) => bytesOf(frames).toString())).toEqual(['1', '2']);
      expect(await eventsOf(peers, requestId)).toHaveLength(2);
    });

    test.each([
      { name: 'throws', handler: () => Promise.reject(new Error('a bug')), code: 'internal' },
      { name: 'returns', handler: () => Promise.resolve(), code: 'internal' },
      {
        name: 'throws a GatewayError',
        handler: () => Promise.reject(new GatewayError('unknown_target', 'Not mine.')),
        code: 'unknown_target',
      },
    ])('a handler that $name without an end fails the call as $code', async ({ handler, code }) => {
      const { call } = await servedBy(peers, handler);
      const frames = await collect(call(newRequestId()));
      expect(errorOf(frames).code).toBe(code);
      expect(frames).toHaveLength(1);
    });

    test('carries an error with its facts and a durable event', async () => {
      const error = new GatewayError('provider_overloaded', 'Busy.', {
        retryAfterMs: 10,
        upstreamStatus: 529,
        provider: 'demo',
      });
      const { call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        await incoming.fail(error, attempted(incoming.requestId));
      });
      const requestId = newRequestId();
      const frames = await collect(call(requestId));
      expect(errorOf(frames).facts).toEqual(error.facts);
      expect(frames.at(-1)).toMatchObject({ event: { requestId } });
      expect(await eventsOf(peers, requestId)).toHaveLength(1);
    });
  });
}
