import {
  cacheStoreEndpoint,
  GatewayError,
  MESSAGE_BYTES_MAX,
  modelsEndpoint,
  newRequestId,
  reserveEndpoint,
  type StoreMessage,
} from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import type { Peers } from './bus-fixture.ts';
import { newProvider, rejection, storeMessage } from './sample-messages.ts';

const timeoutMs = 5_000;
const ask = { value: { configurationRevision: 'r' } };
const answer = { value: { models: [{ id: 'demo' }] } };

export function requestCases(peers: Peers): void {
  describe('request and respond', () => {
    test('carries value and body both ways', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const [ingress, worker] = [
        await peers.connect('ingress'),
        await peers.connect('provider-worker'),
      ];
      await worker.respond(
        endpoint,
        async ({ value, body }) => ({
          value: { models: [{ id: value.configurationRevision }] },
          ...(body !== undefined && { body: Buffer.from(body).reverse() }),
        }),
        { concurrencyMax: 1 },
      );
      const body = Uint8Array.of(1, 2, 255);
      const withBody = await ingress.request(endpoint, { ...ask, body }, { timeoutMs });
      expect(withBody.value.models).toEqual([{ id: 'r' }]);
      expect([...(withBody.body ?? [])]).toEqual([255, 2, 1]);
      const without = await ingress.request(endpoint, ask, { timeoutMs });
      expect(without.body).toBeUndefined();
    });

    test('gives each request to one member of the group and spreads them', async () => {
      const ingress = await peers.connect('ingress');
      const handled: string[][] = [[], [], []];
      for (const mine of handled) {
        const limiter = await peers.connect('rate-limiter');
        const respond = async ({ value }: { value: { requestId: string } }) => {
          mine.push(value.requestId);
          return { value: { allowed: true, limits: [] } };
        };
        await limiter.respond(reserveEndpoint, respond, { concurrencyMax: 1_000 });
      }
      const ids = Array.from({ length: 600 }, newRequestId);
      const limits = [{ scope: 'key:a', kind: 'requests' as const, amount: 1, windowSeconds: 1 }];
      await Promise.all(
        ids.map((requestId) =>
          ingress.request(reserveEndpoint, { value: { requestId, limits } }, { timeoutMs }),
        ),
      );
      expect(handled.flat().sort()).toEqual(ids.sort());
      for (const mine of handled) expect(mine.length).toBeGreaterThan(0);
    });

    test('rejects with no_responders within milliseconds when nobody serves', async () => {
      const ingress = await peers.connect('ingress');
      const startedAt = performance.now();
      const request = ingress.request(modelsEndpoint(newProvider()), ask, { timeoutMs });
      expect((await rejection(request)).code).toBe('no_responders');
      expect(performance.now() - startedAt).toBeLessThan(500);
    });

    test('rejects with deadline_exceeded when the answer does not come in time', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const release = Promise.withResolvers<void>();
      const respond = async () => {
        await release.promise;
        return answer;
      };
      await worker.respond(endpoint, respond, { concurrencyMax: 1 });
      const error = await rejection(ingress.request(endpoint, ask, { timeoutMs: 50 }));
      expect(error.code).toBe('deadline_exceeded');
      release.resolve();
    });

    test('does not handle a request whose deadline passed while it waited', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const release = Promise.withResolvers<void>();
      const handled: string[] = [];
      const respond = async ({ value }: { value: { configurationRevision: string } }) => {
        handled.push(value.configurationRevision);
        await release.promise;
        return answer;
      };
      const subscription = await worker.respond(endpoint, respond, { concurrencyMax: 1 });
      const named = (name: string) => ({ value: { configurationRevision: name } });
      const first = ingress.request(endpoint, named('first'), { timeoutMs });
      await waitFor(() => handled.length === 1, { what: 'the first request to be handled' });
      const late = ingress.request(endpoint, named('late'), { timeoutMs: 50 });
      expect((await rejection(late)).code).toBe('deadline_exceeded');
      // Another one that waits in vain, so that the late one has waited longer than it may.
      const silent = modelsEndpoint(newProvider());
      const never = () => release.promise.then(() => answer);
      await worker.respond(silent, never, { concurrencyMax: 1 });
      const other = ingress.request(silent, ask, { timeoutMs: 100 });
      expect((await rejection(other)).code).toBe('deadline_exceeded');
      release.resolve();
      await first;
      await subscription.drain();
      expect(handled).toEqual(['first']);
    });

    test("throws the responder's error with its public facts", async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const thrown = new GatewayError('provider_rate_limited', 'Slow down.', {
        retryAfterMs: 1500,
        provider: 'demo',
        upstreamStatus: 429,
        reason: 'slow',
        param: 'model',
        detail: 'not for others',
      });
      await worker.respond(endpoint, () => Promise.reject(thrown), { concurrencyMax: 1 });
      const error = await rejection(ingress.request(endpoint, ask, { timeoutMs }));
      expect(error.code).toBe('provider_rate_limited');
      expect(error.message).toBe('Slow down.');
      const { detail: _, ...facts } = thrown.facts;
      expect(error.facts).toEqual(facts);
    });

    test('makes any other error internal and keeps its text', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const respond = () => Promise.reject(new Error('a secret'));
      await worker.respond(endpoint, respond, { concurrencyMax: 1 });
      const error = await rejection(ingress.request(endpoint, ask, { timeoutMs }));
      expect(error.code).toBe('internal');
      expect(JSON.stringify([error.message, error.facts])).not.toContain('secret');
    });

    test('rejects with the reason of its signal', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const entered = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const respond = async () => {
        entered.resolve();
        await release.promise;
        return answer;
      };
      await worker.respond(endpoint, respond, { concurrencyMax: 1 });
      const abort = new AbortController();
      const request = ingress.request(endpoint, ask, { timeoutMs, signal: abort.signal });
      await entered.promise;
      abort.abort(new GatewayError('client_closed', 'gone'));
      expect((await rejection(request)).code).toBe('client_closed');
      release.resolve();
    });

    test('handles concurrencyMax at once, queues as many, and refuses one more', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const release = Promise.withResolvers<void>();
      let running = 0;
      let runningMax = 0;
      const respond = async () => {
        running += 1;
        runningMax = Math.max(runningMax, running);
        await release.promise;
        running -= 1;
        return answer;
      };
      await worker.respond(endpoint, respond, { concurrencyMax: 2 });
      const requests = [1, 2, 3, 4].map(() => ingress.request(endpoint, ask, { timeoutMs }));
      const fifth = await rejection(ingress.request(endpoint, ask, { timeoutMs }));
      expect(fifth.code).toBe('overloaded');
      release.resolve();
      await Promise.all(requests);
      expect(runningMax).toBe(2);
    });

    test('carries a message of MESSAGE_BYTES_MAX and refuses one byte more', async () => {
      const endpoint = modelsEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      let received = 0;
      const respond = async ({ body }: { body?: Uint8Array }) => {
        received = body?.length ?? 0;
        return answer;
      };
      await worker.respond(endpoint, respond, { concurrencyMax: 1 });
      const size = MESSAGE_BYTES_MAX - Buffer.byteLength(JSON.stringify(ask.value));
      await ingress.request(endpoint, { ...ask, body: new Uint8Array(size) }, { timeoutMs });
      expect(received).toBe(size);
      const tooLarge = { ...ask, body: new Uint8Array(size + 1) };
      const error = await rejection(ingress.request(endpoint, tooLarge, { timeoutMs }));
      expect(error.code).toBe('internal');
    });
  });

  describe('send and receive', () => {
    test('delivers a message to one member of the group', async () => {
      const worker = await peers.connect('provider-worker');
      const received: string[] = [];
      for (let member = 0; member < 2; member += 1) {
        const cache = await peers.connect('cache');
        const handle = async ({ value, body }: { value: StoreMessage; body?: Uint8Array }) => {
          received.push(`${value.key}${Buffer.from(body ?? []).toString()}`);
        };
        await cache.receive(cacheStoreEndpoint, handle, { concurrencyMax: 10 });
      }
      const keys = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];
      const body = Buffer.from('!');
      for (const key of keys) worker.send(cacheStoreEndpoint, { value: storeMessage(key), body });
      await waitFor(() => received.length >= 3, { what: 'three messages' });
      expect(received.sort()).toEqual(keys.map((key) => `${key}!`));
    });

    test('says nothing when nobody receives', async () => {
      const worker = await peers.connect('provider-worker');
      worker.send(cacheStoreEndpoint, { value: storeMessage('d'.repeat(64)) });
      expect(worker.outage).toBeUndefined();
    });
  });
}
