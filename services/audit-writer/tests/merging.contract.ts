import { auditQueryEndpoint } from '@gateway/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REFUSALS_MAX, UnstorableEvent } from '../src/event-columns.ts';
import { auditRowOf, mergeStates } from '../src/row.ts';
import {
  type DatabaseUnderTest,
  type MigratedDatabase,
  openMigrated,
  writerOf,
} from './database-under-test.ts';
import { eventSets, writings } from './event-sets.ts';
import { eventsOf, keyCreated, stateIn } from './events.ts';

export function describeMerging({ openEmpty, propertyRuns }: DatabaseUnderTest): void {
  describe('merging', () => {
    let shared: MigratedDatabase;
    beforeAll(async () => {
      shared = await openMigrated(openEmpty);
    });
    afterAll(() => shared.database.close());

    test('gives the same row for every order, repetition and split of the same events', async () => {
      await fc.assert(
        fc.asyncProperty(eventSets.chain(writings), async ({ events, batches }) => {
          const [first] = events;
          if (first === undefined) throw new Error('a set has an event');
          for (const batch of batches) await shared.write(...batch);
          const expected = auditRowOf(events.map(stateIn).reduce(mergeStates));
          expect(await shared.rowOf(first.requestId)).toEqual(expected);
          const page = { data: [expected], next_cursor: null };
          expect(auditQueryEndpoint.reply.parse(page)).toEqual(page);
        }),
        { numRuns: propertyRuns },
      );
    });

    test('counts the tokens and the cost of all attempts', async () => {
      const events = eventsOf();
      await shared.write(
        events.received(),
        events.attempted({ attempt: 1 }),
        events.attempted({
          attempt: 2,
          provider: 'anthropic',
          model: 'claude-sonnet-4-20250514',
        }),
        events.finished({ attempts: 2 }),
      );
      expect(await shared.rowOf(events.requestId)).toMatchObject({
        attempts: 2,
        input_tokens: 2_000,
        output_tokens: 200,
        // The response model of the second attempt has no price there; the one asked for has.
        cost_micro_usd: 210 + 4_500,
        price_date: '2026-09-23',
      });
    });

    test('knows no cost where the price of an attempt is unknown', async () => {
      const events = eventsOf();
      await shared.write(
        events.attempted({ attempt: 1 }),
        events.attempted({ attempt: 2, provider: 'demo', model: 'demo', responseModel: 'demo' }),
      );
      const row = await shared.rowOf(events.requestId);
      expect(row).toMatchObject({ input_tokens: 2_000, cost_micro_usd: null, price_date: null });
    });

    test('shows a cache hit as free, with what it saved', async () => {
      const events = eventsOf();
      const usage = { inputTokens: 0, outputTokens: 0 };
      const savedUsage = { inputTokens: 70, outputTokens: 7 };
      const none = { cachedInputTokens: 0, cacheWriteInputTokens: 0, reasoningTokens: 0 };
      await shared.write(
        events.received(),
        events.finished({
          attempts: 0,
          cacheOutcome: 'hit',
          usage: { ...none, ...usage },
          savedUsage: { ...none, ...savedUsage },
        }),
      );
      expect(await shared.rowOf(events.requestId)).toMatchObject({
        cache: 'hit',
        attempts: 0,
        attempt_details: [],
        input_tokens: 0,
        output_tokens: 0,
        saved_tokens: 77,
        cost_micro_usd: 0,
      });
    });

    test('shows how many refusals a summary stands for, and nothing of the kind for a request', async () => {
      const [summary, request] = [eventsOf(), eventsOf()];
      const refused = {
        status: 401,
        errorCode: 'authentication_failed',
        ended: 'refused',
      } as const;
      await shared.write(
        summary.finished({
          ...refused,
          tenant: '',
          keyId: '',
          attempts: 0,
          refusals: REFUSALS_MAX,
        }),
        request.finished({ ...refused, tenant: '', keyId: '', attempts: 0 }),
      );
      expect(await shared.rowOf(summary.requestId)).toMatchObject({
        status: 401,
        refusals: REFUSALS_MAX,
      });
      expect(await shared.rowOf(request.requestId)).toMatchObject({ status: 401, refusals: null });
    });

    test('takes no count of refusals that its column cannot hold', () => {
      const { finished } = eventsOf();
      expect(() => stateIn(finished({ refusals: REFUSALS_MAX + 1 }))).toThrow(UnstorableEvent);
    });

    test('replaces what was assumed by what is true, whichever comes first', async () => {
      for (const order of ['assumed first', 'true first']) {
        const events = eventsOf();
        const assumed = events.finished({ assumed: true, status: 504, ended: 'abandoned' });
        const pair = [assumed, events.finished()];
        for (const event of order === 'assumed first' ? pair : pair.reverse())
          await shared.write(event);
        const row = await shared.rowOf(events.requestId);
        expect(row, order).toMatchObject({ status: 200, ended: 'complete', assumed: false });
      }
    });

    test('shows a request that runs, and a provider call of which nothing else is known', async () => {
      const running = eventsOf();
      const orphan = eventsOf();
      await shared.write(running.received(), orphan.attempted());
      expect(await shared.rowOf(running.requestId)).toMatchObject({ status: null, attempts: 0 });
      expect(await shared.rowOf(orphan.requestId)).toMatchObject({
        status: null,
        tenant: 'acme',
        key_id: '',
        attempts: 1,
      });
    });

    test('leaves a row that a repeated event does not change untouched', async () => {
      const events = eventsOf();
      const version = () =>
        shared.database.query(
          `SELECT r.xmin::text AS r, a.xmin::text AS a FROM requests r
           JOIN attempts a USING (request_id) WHERE request_id = $1`,
          [events.requestId],
        );
      await shared.write(events.received(), events.attempted(), events.finished());
      const before = await version();
      await shared.write(events.finished(), events.attempted(), events.received());
      expect(await version()).toEqual(before);
      expect(before).toHaveLength(1);
    });

    test('two writers of the same requests end with the same rows', async () => {
      const all = Array.from({ length: 50 }, () => eventsOf());
      const other = writerOf(shared.database);
      await Promise.all([
        shared.write(...all.flatMap((events) => [events.received(), events.finished()])),
        other(...all.flatMap((events) => [events.finished(), events.attempted()]).reverse()),
      ]);
      for (const events of all.slice(0, 5)) {
        const all = [events.received(), events.attempted(), events.finished()];
        const expected = auditRowOf(all.map(stateIn).reduce(mergeStates));
        expect(await shared.rowOf(events.requestId)).toEqual(expected);
      }
    });

    test('keeps a control change once', async () => {
      const changeId = eventsOf().requestId;
      await shared.write(keyCreated(changeId), keyCreated(changeId));
      await shared.write(keyCreated(changeId));
      const rows = await shared.database.query(
        `SELECT action, key_id, key->>'digest' AS digest FROM control_changes WHERE change_id = $1`,
        [changeId],
      );
      expect(rows).toEqual([
        { action: 'key.created', key_id: 'abcdefghijkl', digest: 'a'.repeat(64) },
      ]);
    });
  });
}
