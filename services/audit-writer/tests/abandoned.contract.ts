import type { AttemptedEvent } from '@gateway/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLOSED_MAX, FIND_ABANDONED, findAbandoned } from '../src/close-abandoned.ts';
import { closingEvents } from '../src/closing-events.ts';
import type { RequestEvent } from '../src/row.ts';
import {
  type DatabaseUnderTest,
  type MigratedDatabase,
  openMigrated,
} from './database-under-test.ts';
import { eventsOf } from './events.ts';

const DEADLINE = Date.UTC(2026, 9, 1, 12, 10);
const AFTER = DEADLINE + 1;

export function describeAbandoned({ openEmpty }: DatabaseUnderTest): void {
  describe('abandoned requests', () => {
    let shared: MigratedDatabase;
    beforeAll(async () => {
      shared = await openMigrated(openEmpty);
    });
    afterAll(() => shared.database.close());

    /** What closes the request as it is stored now; nothing when it is not abandoned. */
    async function closingOf(requestId: string, beforeMs = AFTER) {
      const { requests } = await findAbandoned(shared.database, beforeMs);
      return requests.filter((one) => one.request_id === requestId).flatMap(closingEvents);
    }

    async function close(requestId: string) {
      const closing = await closingOf(requestId);
      expect(closing.length).toBeGreaterThan(0);
      await shared.write(...closing);
      return shared.rowOf(requestId);
    }

    test('are those without an end whose deadline is before the time', async () => {
      const [open, finished, orphan] = [eventsOf(), eventsOf(), eventsOf()];
      await shared.write(
        open.received(),
        finished.received(),
        finished.finished(),
        orphan.attempted(),
      );
      expect(await closingOf(open.requestId, DEADLINE)).toEqual([]);
      expect(await closingOf(open.requestId)).not.toEqual([]);
      expect(await closingOf(finished.requestId)).toEqual([]);
      expect(await closingOf(orphan.requestId)).toEqual([]);
    });

    test('end with an attempt of which nothing is known where none is', async () => {
      const events = eventsOf();
      await shared.write(events.received());
      expect(await close(events.requestId)).toMatchObject({
        status: 500,
        ended: 'abandoned',
        error_code: 'ingress_lost',
        assumed: true,
        key_id: 'abcdefghijkl',
        client_ip: '192.0.2.7',
        latency_ms: 600_000,
        attempts: 1,
        attempt_details: [{ attempt: 1, usage_source: 'unknown', assumed: true, input_tokens: 0 }],
        cost_micro_usd: null,
      });
      expect(await closingOf(events.requestId)).toEqual([]);
    });

    test('keep what their attempts say', async () => {
      const events = eventsOf();
      await shared.write(events.received(), events.attempted());
      expect(await close(events.requestId)).toMatchObject({
        status: 500,
        assumed: true,
        provider: 'openai',
        provider_model: 'gpt-4o-mini',
        attempts: 1,
        attempt_details: [{ assumed: false, usage_source: 'provider' }],
        input_tokens: 1_000,
        output_tokens: 100,
        cost_micro_usd: 210,
      });
    });

    test.each([
      ['provider_unavailable', 2],
      ['stream_interrupted', 1],
      ['a code of another version', 1],
    ])('whose last attempt failed with %s have %i', async (errorCode, attempts) => {
      const events = eventsOf();
      await shared.write(events.received(), events.attempted({ errorCode }));
      const row = await close(events.requestId);
      expect(row).toMatchObject({ attempts, provider: null });
      expect(row?.attempt_details).toHaveLength(attempts);
    });

    const stories: readonly { name: string; attempts: readonly Partial<AttemptedEvent>[] }[] = [
      { name: 'no attempt', attempts: [] },
      { name: 'one that answered', attempts: [{}] },
      { name: 'one that failed', attempts: [{ errorCode: 'provider_unavailable' }] },
      {
        name: 'one that failed and one that answered',
        attempts: [{ errorCode: 'provider_unavailable' }, { provider: 'anthropic' }],
      },
    ];
    test.each(stories)('with $name are as true events say, whenever those come', async (story) => {
      const told = (events: ReturnType<typeof eventsOf>): RequestEvent[] => [
        events.received(),
        ...story.attempts.map((change, index) =>
          events.attempted({ attempt: index + 1, ...change }),
        ),
        events.finished({ attempts: story.attempts.length }),
      ];
      const truth = eventsOf();
      await shared.write(...told(truth));
      const { request_id: _, ...expected } = (await shared.rowOf(truth.requestId)) ?? {};
      // The audit-writer may have known any number of the attempts when it closed the request.
      for (let known = 0; known <= story.attempts.length; known++) {
        for (const order of ['true ones last', 'true ones first', 'in turn'] as const) {
          const events = eventsOf();
          const [received, ...rest] = told(events);
          const request = { ...openRequestOf(events), attempts: story.attempts.slice(0, known) };
          const closing = closingEvents({
            ...request,
            attempts: request.attempts.map((change, index) => ({
              attempt: index + 1,
              provider: change.provider ?? 'openai',
              model: 'gpt-4o-mini',
              error_code: change.errorCode ?? null,
              input_tokens: 1_000,
              output_tokens: 100,
              cached_tokens: 0,
              cache_write_tokens: 0,
              reasoning_tokens: 0,
            })),
          });
          const all: readonly (RequestEvent | undefined)[] =
            order === 'true ones last'
              ? [received, ...closing, ...rest]
              : order === 'true ones first'
                ? [...rest, received, ...closing]
                : rest.flatMap((event, index) => [event, closing[index]]).concat(closing, received);
          for (const event of all) if (event !== undefined) await shared.write(event);
          const { request_id: __, ...row } = (await shared.rowOf(events.requestId)) ?? {};
          expect(row, `${known} known, ${order}`).toEqual(expected);
        }
      }
    });

    test('an attempt that comes late takes the place of the unknown one', async () => {
      const [same, higher] = [eventsOf(), eventsOf()];
      for (const [events, attempt] of [[same, 1] as const, [higher, 2] as const]) {
        await shared.write(events.received());
        await close(events.requestId);
        await shared.write(events.attempted({ attempt }));
        expect(await shared.rowOf(events.requestId)).toMatchObject({
          status: 500,
          attempts: 1,
          attempt_details: [{ attempt, assumed: false }],
          input_tokens: 1_000,
          cost_micro_usd: 210,
        });
      }
    });

    test(`are found ${CLOSED_MAX} at a time, the longest overdue first`, async () => {
      const fresh = await openMigrated(openEmpty);
      const all = Array.from({ length: CLOSED_MAX + 1 }, () => eventsOf());
      const received = all.map((events, index) => events.received({ deadlineAt: 1_000 + index }));
      await fresh.write(...received);
      const first = await findAbandoned(fresh.database, AFTER);
      expect(first.requests.map((one) => one.request_id)).toEqual(
        all.slice(0, CLOSED_MAX).map(({ requestId }) => requestId),
      );
      const second = await findAbandoned(fresh.database, AFTER, first.next);
      expect(second).toMatchObject({ requests: [{ request_id: all.at(-1)?.requestId }] });
      expect(second.next).toBeUndefined();
      const closing = first.requests.flatMap(closingEvents);
      const deliveries = await fresh.write(...closing);
      expect(deliveries.every(({ settlement }) => settlement === 'acknowledged')).toBe(true);
      expect((await findAbandoned(fresh.database, AFTER)).requests).toHaveLength(1);
      await fresh.database.close();
    });

    test('with one deadline are found once each', async () => {
      const fresh = await openMigrated(openEmpty);
      const all = Array.from({ length: CLOSED_MAX + 1 }, () => eventsOf());
      await fresh.write(...all.map((events) => events.received()));
      const first = await findAbandoned(fresh.database, AFTER);
      const second = await findAbandoned(fresh.database, AFTER, first.next);
      const found = [...first.requests, ...second.requests].map((one) => one.request_id);
      expect(found.sort()).toEqual(all.map(({ requestId }) => requestId).sort());
      await fresh.database.close();
    });

    test('that cannot be read are named and hold up no others', async () => {
      const fresh = await openMigrated(openEmpty);
      const damaged = Array.from({ length: CLOSED_MAX }, () => eventsOf());
      const sound = eventsOf();
      await fresh.write(
        ...damaged.flatMap((events) => [
          events.received({ deadlineAt: 1_000 }),
          events.attempted(),
        ]),
      );
      await fresh.database.query('UPDATE attempts SET input_tokens = -1');
      await fresh.write(sound.received());
      const first = await findAbandoned(fresh.database, AFTER);
      expect(first.requests).toEqual([]);
      expect(first.unreadable).toEqual(damaged.map(({ requestId }) => requestId).sort());
      const { requests } = await findAbandoned(fresh.database, AFTER, first.next);
      expect(requests.map((one) => one.request_id)).toEqual([sound.requestId]);
      await fresh.database.close();
    });

    test('are found by an index that holds nothing else', async () => {
      const plan = await shared.database.transaction(async (connection) => {
        await connection.query('SET LOCAL enable_seqscan = off');
        return connection.query(`EXPLAIN ${FIND_ABANDONED}`, [
          new Date(AFTER).toISOString(),
          '-infinity',
          eventsOf().requestId,
        ]);
      });
      const text = plan.map((row) => row['QUERY PLAN']).join('\n');
      expect(text).toMatch(/Incremental Sort.*Merge Append.*_deadline_at_idx/s);
      expect(text).not.toMatch(/Seq Scan/);
    });
  });
}

function openRequestOf({ received }: ReturnType<typeof eventsOf>) {
  const event = received();
  return {
    request_id: event.requestId,
    received_at: event.receivedAt,
    deadline_at: event.deadlineAt,
    tenant: event.tenant,
    key_id: event.keyId,
    endpoint: event.endpoint,
    method: event.method,
    model: event.model,
    stream: event.stream,
    client_ip: event.clientIp,
    user_agent: event.userAgent,
    trace_id: event.traceId ?? null,
    config_revision: event.configurationRevision,
  };
}
