import {
  cacheStoreEndpoint,
  inferenceEndpoint,
  modelsEndpoint,
  newRequestId,
} from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import type { Peers } from './bus-fixture.ts';
import type { Handler } from './calls.ts';
import {
  attempted,
  callOptions,
  collect,
  HEAD,
  inferenceRequest,
  newProvider,
  rejection,
  storeMessage,
} from './sample-messages.ts';

export function drainCases(peers: Peers): void {
  describe('drain', () => {
    test('loses no request while responders are replaced under load', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const start = async () => {
        const worker = await peers.connect('provider-worker');
        const respond = async () => {
          await new Promise((resolve) => setImmediate(resolve));
          return { value: { models: [] } };
        };
        await worker.respond(endpoint, respond, { concurrencyMax: 1000 });
        return worker;
      };
      const first = [await start(), await start()];
      let running = true;
      let answered = 0;
      const load = async () => {
        while (running) {
          const value = { configurationRevision: 'r' };
          await ingress.request(endpoint, { value }, { timeoutMs: 5_000 });
          answered += 1;
        }
      };
      const clients = Array.from({ length: 16 }, load);
      for (const worker of first) {
        await start();
        await worker.drain();
        const before = answered;
        await waitFor(() => answered > before + 16, { what: 'answers of who is left' });
      }
      running = false;
      await Promise.all(clients);
      expect(answered).toBeGreaterThan(16);
    });

    test('finishes the calls that a worker took and takes no others', async () => {
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const release = Promise.withResolvers<void>();
      const handler: Handler = async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await release.promise;
        await incoming.data(Buffer.from('done'));
        await incoming.end(attempted(incoming.requestId));
      };
      await worker.serve(endpoint, handler, { concurrencyMax: 10 });
      const call = (requestId: string) => {
        const value = inferenceRequest('demo', requestId);
        return ingress.call(endpoint, { value }, callOptions(requestId));
      };
      const taken = call(newRequestId());
      await taken[Symbol.asyncIterator]().next();
      let drained = false;
      const draining = worker.drain().then(() => {
        drained = true;
      });
      // The group is empty as soon as the subscription is gone, while what was taken goes on.
      const all = [taken];
      for (;;) {
        const next = call(newRequestId());
        const first = await next[Symbol.asyncIterator]().next();
        if (first.value.type === 'error') {
          expect(first.value.error.code).toBe('no_responders');
          break;
        }
        all.push(next);
      }
      expect(drained).toBe(false);
      release.resolve();
      for (const one of all) expect((await collect(one)).at(-1)?.type).toBe('end');
      await draining;
    });

    test('sends what was said in its last turn', async () => {
      const heard: string[] = [];
      const cache = await peers.connect('cache');
      const hear = async ({ value }: { value: { key: string } }) => void heard.push(value.key);
      await cache.receive(cacheStoreEndpoint, hear, { concurrencyMax: 10 });
      const worker = await peers.connect('provider-worker');
      const key = 'e'.repeat(64);
      worker.send(cacheStoreEndpoint, { value: storeMessage(key) });
      await worker.drain();
      await waitFor(() => heard.includes(key), { what: 'the message' });
    });

    test('a drained bus has an outage and refuses', async () => {
      const ingress = await peers.connect('ingress');
      await ingress.drain();
      await ingress.drain();
      expect(ingress.outage).toBeTypeOf('string');
      const endpoint = modelsEndpoint(newProvider());
      const value = { configurationRevision: 'r' };
      const request = ingress.request(endpoint, { value }, { timeoutMs: 1_000 });
      expect((await rejection(request)).code).toBe('bus_unavailable');
      const requestId = newRequestId();
      const message = { value: inferenceRequest('demo', requestId) };
      const call = async () =>
        ingress.call(inferenceEndpoint(newProvider()), message, callOptions(requestId));
      expect((await rejection(call())).code).toBe('bus_unavailable');
    });
  });
}
