import { waitFor } from '@gateway/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ATTEMPTS_MAX, TEXT_LENGTH_MAX, TOKENS_MAX } from '../src/event-columns.ts';
import { BATCH_MAX } from '../src/write-batch.ts';
import {
  batchWriterOf,
  type DatabaseUnderTest,
  type MigratedDatabase,
  openMigrated,
} from './database-under-test.ts';
import { deliveryOf, eventsOf, keyCreated } from './events.ts';

/** Longer than a test. */
const NEVER_MS = 600_000;

export function describeBatches({ openEmpty }: DatabaseUnderTest): void {
  describe('batches', () => {
    let shared: MigratedDatabase;
    beforeAll(async () => {
      shared = await openMigrated(openEmpty);
    });
    afterAll(() => shared.database.close());

    const good = () => eventsOf().received();
    test.each<{ name: string; value: unknown; settlement: string }>([
      { name: 'no JSON', value: undefined, settlement: 'quarantined: not an event' },
      {
        name: 'a missing field',
        value: { ...good(), tenant: undefined },
        settlement: 'quarantined: against its schema: tenant: invalid_type',
      },
      {
        name: 'U+0000 in a text',
        value: { ...good(), model: 'gpt\0' },
        settlement: 'quarantined: a text holds U+0000',
      },
      {
        name: 'a time after the year 9999',
        value: { ...good(), receivedAt: 253_402_300_800_000 },
        settlement: 'quarantined: receivedAt is out of range',
      },
      {
        name: 'more tokens than are possible',
        value: eventsOf().attempted({
          usage: {
            inputTokens: TOKENS_MAX + 1,
            outputTokens: 0,
            cachedInputTokens: 0,
            cacheWriteInputTokens: 0,
            reasoningTokens: 0,
          },
        }),
        settlement: 'quarantined: inputTokens is out of range',
      },
      {
        name: 'one attempt more than a row holds',
        value: eventsOf().attempted({ attempt: ATTEMPTS_MAX + 1 }),
        settlement: 'quarantined: attempt is out of range',
      },
      {
        name: 'a newer schema',
        value: { ...good(), schema: 2 },
        settlement: 'retried after 60000 ms',
      },
    ])('$name is settled and the rest is written', async ({ value, settlement }) => {
      const before = eventsOf();
      const after = eventsOf();
      const deliveries = await shared.write(before.received(), value, after.received());
      expect(deliveries.map((delivery) => delivery.settlement)).toEqual([
        'acknowledged',
        settlement,
        'acknowledged',
      ]);
      expect(await shared.rowOf(after.requestId)).toBeDefined();
    });

    test('an event that only the database refuses is found by halving', async () => {
      const change = keyCreated(eventsOf().requestId);
      // A lone surrogate passes as text, but not inside JSON.
      const poison = { ...change, key: { ...change.key, name: '\ud800' } };
      const events = Array.from({ length: 20 }, () => eventsOf().received());
      const deliveries = await shared.write(...events.slice(0, 13), poison, ...events.slice(13));
      expect(deliveries[13]?.settlement).toMatch(/^quarantined: .* SQLSTATE 22/);
      const others = deliveries.filter((_, index) => index !== 13);
      expect(others.every(({ settlement }) => settlement === 'acknowledged')).toBe(true);
      for (const { requestId } of events) expect(await shared.rowOf(requestId)).toBeDefined();
    });

    test('the largest values that are no poison are stored', async () => {
      const events = eventsOf();
      const most = {
        inputTokens: TOKENS_MAX,
        outputTokens: TOKENS_MAX,
        cachedInputTokens: TOKENS_MAX,
        cacheWriteInputTokens: 0,
        reasoningTokens: TOKENS_MAX,
      };
      const [delivery] = await shared.write(
        events.attempted({ attempt: ATTEMPTS_MAX, usage: most, errorCode: 'é'.repeat(300) }),
      );
      expect(delivery?.settlement).toBe('acknowledged');
      const row = await shared.rowOf(events.requestId);
      expect(row?.input_tokens).toBe(TOKENS_MAX);
      expect(row?.attempt_details[0]?.error_code).toHaveLength(TEXT_LENGTH_MAX);
    });

    test('events wait for the end of their request, and are written with it', async () => {
      const events = eventsOf();
      const [first, last] = [[events.received(), events.attempted()], [events.finished()]].map(
        (some) => some.map((event) => deliveryOf(event)),
      );
      const writer = batchWriterOf(shared.database, NEVER_MS);
      await writer.write(first ?? []);
      expect(first?.map(({ settlement }) => settlement)).toEqual([undefined, undefined]);
      expect(await shared.rowOf(events.requestId)).toBeUndefined();
      await writer.write(last ?? []);
      const settlements = [first, last].flat().map((delivery) => delivery?.settlement);
      expect(settlements).toEqual(['acknowledged', 'acknowledged', 'acknowledged']);
      expect(await shared.rowOf(events.requestId)).toMatchObject({ status: 200, attempts: 1 });
    });

    test('events of a request that runs on are written when their time is up', async () => {
      const delivery = deliveryOf(eventsOf().received());
      await batchWriterOf(shared.database, 10).write([delivery]);
      await waitFor(() => delivery.settlement === 'acknowledged', { what: 'the event' });
    });

    test('events that wait are written by a flush', async () => {
      const events = eventsOf();
      const delivery = deliveryOf(events.received());
      const writer = batchWriterOf(shared.database, NEVER_MS);
      await writer.write([delivery]);
      await writer.flush();
      expect(delivery.settlement).toBe('acknowledged');
      expect(await shared.rowOf(events.requestId)).toMatchObject({ status: null });
    });

    test('what is whole waits for others, no longer than it may', async () => {
      const delivery = deliveryOf(eventsOf().finished());
      await batchWriterOf(shared.database, 0, 10).write([delivery]);
      expect(delivery.settlement).toBeUndefined();
      await waitFor(() => delivery.settlement === 'acknowledged', { what: 'the event' });
    });

    test('what waits for others is written with them once they fill a transaction', async () => {
      const deliveries = Array.from({ length: BATCH_MAX + 1 }, () =>
        deliveryOf(eventsOf().finished({ attempts: 0, ended: 'refused' })),
      );
      const settled = () => deliveries.filter(({ settlement }) => settlement === 'acknowledged');
      const writer = batchWriterOf(shared.database, 0, NEVER_MS);
      await writer.write(deliveries.slice(0, BATCH_MAX - 1));
      expect(settled()).toEqual([]);
      await writer.write(deliveries.slice(BATCH_MAX - 1));
      expect(settled()).toEqual(deliveries.slice(0, BATCH_MAX));
      await writer.flush();
      expect(settled()).toEqual(deliveries);
    });

    test('a full batch is one transaction', async () => {
      const events = Array.from({ length: BATCH_MAX }, () => eventsOf().received());
      const deliveries = await shared.write(...events);
      expect(deliveries.every(({ settlement }) => settlement === 'acknowledged')).toBe(true);
      const rows = await shared.database.query(
        `SELECT count(DISTINCT xmin::text)::text AS transactions, count(*)::text AS rows
         FROM requests WHERE request_id = ANY ($1::uuid[])`,
        [events.map(({ requestId }) => requestId)],
      );
      expect(rows).toEqual([{ transactions: '1', rows: String(BATCH_MAX) }]);
    });
  });
}
