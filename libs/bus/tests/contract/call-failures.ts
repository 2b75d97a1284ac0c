import { GatewayError, inferenceEndpoint, newRequestId } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { ACCEPT_TIMEOUT_MS, PING_INTERVAL_MS } from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';
import { type Handler, servedBy } from './calls.ts';
import { eventsOf } from './recorded-events.ts';
import {
  attempted,
  callOptions,
  collect,
  errorOf,
  HEAD,
  inferenceRequest,
  newProvider,
  rejection,
} from './sample-messages.ts';

/** Accepts, sends a head, and streams until its signal aborts. */
function streaming(aborted: (reason: unknown) => void): Handler {
  return async (incoming) => {
    incoming.accept();
    incoming.head(HEAD);
    try {
      for (;;) await incoming.data(Buffer.alloc(1024, 'z'));
    } catch (error) {
      aborted(incoming.signal.reason);
      throw error;
    }
  };
}

export function callFailureCases(peers: Peers): void {
  describe('calls that fail', () => {
    test('a call that nobody serves ends with no_responders within milliseconds', async () => {
      const ingress = await peers.connect('ingress');
      const requestId = newRequestId();
      const value = inferenceRequest('demo', requestId);
      const endpoint = inferenceEndpoint(newProvider());
      const startedAt = performance.now();
      const frames = await collect(ingress.call(endpoint, { value }, callOptions(requestId)));
      expect(frames).toHaveLength(1);
      expect(errorOf(frames).code).toBe('no_responders');
      expect(performance.now() - startedAt).toBeLessThan(500);
    });

    test('each of several calls in one turn hears that nobody serves it', async () => {
      const ingress = await peers.connect('ingress');
      const endpoint = inferenceEndpoint(newProvider());
      const calls = Array.from({ length: 20 }, () => {
        const requestId = newRequestId();
        const value = inferenceRequest('demo', requestId);
        return ingress.call(endpoint, { value }, callOptions(requestId));
      });
      for (const frames of await Promise.all(calls.map((call) => collect(call)))) {
        expect(frames).toHaveLength(1);
        expect(errorOf(frames).code).toBe('no_responders');
      }
    });

    test('of calls in one turn a worker takes those that it has room for', async () => {
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const release = Promise.withResolvers<void>();
      for (const concurrencyMax of [3, 5]) {
        const worker = await peers.connect('provider-worker');
        const handler: Handler = async (incoming) => {
          incoming.accept();
          await release.promise;
          await incoming.fail(new GatewayError('shutting_down', 'Enough.'));
        };
        await worker.serve(endpoint, handler, { concurrencyMax });
      }
      const calls = Array.from({ length: 8 }, () => {
        const requestId = newRequestId();
        const value = inferenceRequest('demo', requestId);
        return ingress.call(endpoint, { value }, callOptions(requestId));
      });
      await Promise.all(calls.map((call) => call[Symbol.asyncIterator]().next()));
      const taken = calls.map(({ worker }) => worker);
      const counts = [...new Set(taken)].map((one) => taken.filter((it) => it === one).length);
      expect(counts.sort()).toEqual([3, 5]);
      release.resolve();
      for (const call of calls) expect(errorOf(await collect(call)).code).toBe('shutting_down');
    });

    test('a call not accepted in time ends, and accepting it later is refused', async () => {
      const late = Promise.withResolvers<GatewayError>();
      const proceed = Promise.withResolvers<void>();
      let offered = 0;
      const { call } = await servedBy(peers, async (incoming) => {
        offered += 1;
        await proceed.promise;
        late.resolve(rejection(Promise.resolve().then(() => incoming.accept())));
      });
      const startedAt = performance.now();
      const frames = await collect(call(newRequestId()));
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(ACCEPT_TIMEOUT_MS);
      expect(frames).toHaveLength(1);
      expect(errorOf(frames).code).toBe('worker_lost');
      expect(offered).toBe(1);
      proceed.resolve();
      expect((await late.promise).code).toBe('deadline_exceeded');
    });

    test('a worker that dies in the middle of a stream is an error within seconds', async () => {
      const { worker, call } = await servedBy(peers, async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await incoming.data(Buffer.from('half'));
        await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
      });
      const running = call(newRequestId());
      const iterator = running[Symbol.asyncIterator]();
      const first = [await iterator.next(), await iterator.next(), await iterator.next()];
      expect(first.map(({ value }) => value.type)).toEqual(['accepted', 'head', 'data']);
      const killedAt = performance.now();
      await peers.kill(worker);
      const frames = await collect(running);
      expect(performance.now() - killedAt).toBeLessThan(3 * PING_INTERVAL_MS);
      expect(errorOf(frames).code).toBe('worker_lost');
    });

    test('a caller that dies aborts the worker, whose event is stored all the same', async () => {
      const aborted = Promise.withResolvers<unknown>();
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const stream = streaming(aborted.resolve);
      const handler: Handler = async (incoming) => {
        const error = await rejection(stream(incoming));
        await incoming.fail(error, attempted(incoming.requestId));
      };
      const serving = await worker.serve(endpoint, handler, { concurrencyMax: 1 });
      const requestId = newRequestId();
      const value = inferenceRequest('demo', requestId);
      const call = ingress.call(endpoint, { value }, callOptions(requestId));
      let received = 0;
      const reading = (async () => {
        for await (const frame of call) if (frame.type === 'data') received += 1;
      })();
      await waitFor(() => received > 20, { what: 'the stream to run' });
      await peers.kill(ingress);
      await reading;
      expect(await aborted.promise).toMatchObject({ code: 'client_closed' });
      await serving.drain();
      expect(await eventsOf(peers, requestId)).toHaveLength(1);
    });

    test('a full worker hands a call back to the group', async () => {
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const release = Promise.withResolvers<void>();
      const workers = [
        await peers.connect('provider-worker'),
        await peers.connect('provider-worker'),
      ];
      for (const worker of workers) {
        const handler: Handler = async (incoming) => {
          incoming.accept();
          incoming.head(HEAD);
          await release.promise;
          await incoming.end(attempted(incoming.requestId));
        };
        await worker.serve(endpoint, handler, { concurrencyMax: 1 });
      }
      const calls = [1, 2].map(() => {
        const requestId = newRequestId();
        const value = inferenceRequest('demo', requestId);
        return ingress.call(endpoint, { value }, callOptions(requestId));
      });
      await Promise.all(calls.map((call) => call[Symbol.asyncIterator]().next()));
      const owners = calls.map((call) => call.worker);
      expect(owners.sort()).toEqual(workers.map((worker) => worker.identity.instance).sort());
      // One more finds both full.
      const requestId = newRequestId();
      const third = { value: inferenceRequest('demo', requestId) };
      const frames = await collect(ingress.call(endpoint, third, callOptions(requestId)));
      expect(errorOf(frames).code).toBe('overloaded');
      release.resolve();
      for (const call of calls) expect((await collect(call)).at(-1)?.type).toBe('end');
    });

    test('a full worker that is alone answers overloaded at once', async () => {
      const release = Promise.withResolvers<void>();
      const { call } = await servedBy(
        peers,
        async (incoming) => {
          incoming.accept();
          await release.promise;
          await incoming.fail(new GatewayError('shutting_down', 'Enough.'));
        },
        1,
      );
      const first = call(newRequestId());
      await first[Symbol.asyncIterator]().next();
      const startedAt = performance.now();
      expect(errorOf(await collect(call(newRequestId()))).code).toBe('overloaded');
      expect(performance.now() - startedAt).toBeLessThan(ACCEPT_TIMEOUT_MS);
      release.resolve();
      expect(errorOf(await collect(first)).code).toBe('shutting_down');
    });

    test('the deadline ends a call on both sides', async () => {
      const aborted = Promise.withResolvers<unknown>();
      const { call } = await servedBy(peers, async (incoming) => {
        const { signal } = incoming;
        incoming.accept();
        incoming.head(HEAD);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        aborted.resolve(signal.reason);
        await incoming.fail(signal.reason, attempted(incoming.requestId));
      });
      const requestId = newRequestId();
      const frames = await collect(call(requestId, 200));
      expect(errorOf(frames).code).toBe('deadline_exceeded');
      expect(frames.at(-1)).toMatchObject({ event: { requestId } });
      expect(await aborted.promise).toMatchObject({ code: 'deadline_exceeded' });
    });

    test('the deadline ends a call that nobody accepted', async () => {
      const release = Promise.withResolvers<void>();
      const { call } = await servedBy(peers, () => release.promise);
      expect(errorOf(await collect(call(newRequestId(), 100))).code).toBe('deadline_exceeded');
      release.resolve();
    });
  });
}
