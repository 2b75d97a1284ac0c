/** What both databases must do. Each runs it on a database of its own. */
import { type AuditRow, auditQueryEndpoint } from '@gateway/protocol';
import { createLogger } from '@gateway/telemetry';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, failureOf } from '../src/database.ts';
import { DatabaseOutage } from '../src/database-outage.ts';
import { ATTEMPTS_MAX, TEXT_LENGTH_MAX, TOKENS_MAX } from '../src/event-columns.ts';
import { migrate, SchemaTooNew } from '../src/migrate.ts';
import { leastRequestId, makePartitions } from '../src/partitions.ts';
import { cursorOf, queryAudit } from '../src/query.ts';
import { recentAdmissions } from '../src/recent-admissions.ts';
import { auditRowOf, mergeStates, type RequestEvent, stateOf } from '../src/row.ts';
import { BATCH_MAX, createBatchWriter } from '../src/write-batch.ts';
import { eventSets, writings } from './event-sets.ts';
import { deliveryOf, eventsOf, keyCreated, type RecordedDelivery } from './events.ts';

const logger = createLogger('audit-writer', { level: 'silent' });

export interface DatabaseUnderTest {
  /** A new and empty database, not yet migrated. */
  readonly openEmpty: () => Promise<Database>;
  readonly propertyRuns: number;
}

export function describeDatabase(name: string, { openEmpty, propertyRuns }: DatabaseUnderTest) {
  describe(name, () => {
    let database: Database;
    let write: (...events: readonly unknown[]) => Promise<readonly RecordedDelivery[]>;

    beforeAll(async () => {
      database = await openMigrated(openEmpty);
      write = writerOf(database);
    });
    afterAll(() => database.close());

    const rowOf = async (requestId: string): Promise<AuditRow | undefined> => {
      const cursor = cursorOf(idAfter(requestId));
      const { data } = await queryAudit(database, { limit: 2, cursor });
      return data.find((row) => row.request_id === requestId);
    };

    describe('merging', () => {
      test('gives the same row for every order, repetition and split of the same events', async () => {
        await fc.assert(
          fc.asyncProperty(eventSets.chain(writings), async ({ events, batches }) => {
            const [first] = events;
            if (first === undefined) throw new Error('a set has an event');
            for (const batch of batches) await write(...batch);
            const expected = auditRowOf(events.map(stateOf).reduce(mergeStates));
            expect(await rowOf(first.requestId)).toEqual(expected);
            const page = { data: [expected], next_cursor: null };
            expect(auditQueryEndpoint.reply.parse(page)).toEqual(page);
          }),
          { numRuns: propertyRuns },
        );
      });

      test('counts the tokens and the cost of all attempts', async () => {
        const events = eventsOf();
        await write(
          events.received(),
          events.attempted({ attempt: 1 }),
          events.attempted({
            attempt: 2,
            provider: 'anthropic',
            model: 'claude-sonnet-4-20250514',
          }),
          events.finished({ attempts: 2 }),
        );
        expect(await rowOf(events.requestId)).toMatchObject({
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
        await write(
          events.attempted({ attempt: 1 }),
          events.attempted({ attempt: 2, provider: 'demo', model: 'demo', responseModel: 'demo' }),
        );
        const row = await rowOf(events.requestId);
        expect(row).toMatchObject({ input_tokens: 2_000, cost_micro_usd: null, price_date: null });
      });

      test('shows a cache hit as free, with what it saved', async () => {
        const events = eventsOf();
        const usage = { inputTokens: 0, outputTokens: 0 };
        const savedUsage = { inputTokens: 70, outputTokens: 7 };
        const none = { cachedInputTokens: 0, cacheWriteInputTokens: 0, reasoningTokens: 0 };
        await write(
          events.received(),
          events.finished({
            attempts: 0,
            cacheOutcome: 'hit',
            usage: { ...none, ...usage },
            savedUsage: { ...none, ...savedUsage },
          }),
        );
        expect(await rowOf(events.requestId)).toMatchObject({
          cache: 'hit',
          attempts: 0,
          attempt_details: [],
          input_tokens: 0,
          output_tokens: 0,
          saved_tokens: 77,
          cost_micro_usd: 0,
        });
      });

      test('replaces what was assumed by what is true, whichever comes first', async () => {
        for (const order of ['assumed first', 'true first']) {
          const events = eventsOf();
          const assumed = events.finished({ assumed: true, status: 504, ended: 'abandoned' });
          const pair = [assumed, events.finished()];
          for (const event of order === 'assumed first' ? pair : pair.reverse()) await write(event);
          const row = await rowOf(events.requestId);
          expect(row, order).toMatchObject({ status: 200, ended: 'complete', assumed: false });
        }
      });

      test('shows a request that runs, and a provider call of which nothing else is known', async () => {
        const running = eventsOf();
        const orphan = eventsOf();
        await write(running.received(), orphan.attempted());
        expect(await rowOf(running.requestId)).toMatchObject({ status: null, attempts: 0 });
        expect(await rowOf(orphan.requestId)).toMatchObject({
          status: null,
          tenant: 'acme',
          key_id: '',
          attempts: 1,
        });
      });

      test('leaves a row that a repeated event does not change untouched', async () => {
        const events = eventsOf();
        const version = () =>
          database.query(
            `SELECT r.xmin::text AS r, a.xmin::text AS a FROM requests r
             JOIN attempts a USING (request_id) WHERE request_id = $1`,
            [events.requestId],
          );
        await write(events.received(), events.attempted(), events.finished());
        const before = await version();
        await write(events.finished(), events.attempted(), events.received());
        expect(await version()).toEqual(before);
        expect(before).toHaveLength(1);
      });

      test('two writers of the same requests end with the same rows', async () => {
        const all = Array.from({ length: 50 }, () => eventsOf());
        const other = writerOf(database);
        await Promise.all([
          write(...all.flatMap((events) => [events.received(), events.finished()])),
          other(...all.flatMap((events) => [events.finished(), events.attempted()]).reverse()),
        ]);
        for (const events of all.slice(0, 5)) {
          const all = [events.received(), events.attempted(), events.finished()];
          const expected = auditRowOf(all.map((event) => stateOf(event)).reduce(mergeStates));
          expect(await rowOf(events.requestId)).toEqual(expected);
        }
      });

      test('keeps a control change once', async () => {
        const changeId = eventsOf().requestId;
        await write(keyCreated(changeId), keyCreated(changeId));
        await write(keyCreated(changeId));
        const rows = await database.query(
          `SELECT action, key_id, key->>'digest' AS digest FROM control_changes WHERE change_id = $1`,
          [changeId],
        );
        expect(rows).toEqual([
          { action: 'key.created', key_id: 'abcdefghijkl', digest: 'a'.repeat(64) },
        ]);
      });
    });

    describe('poison', () => {
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
        const deliveries = await write(before.received(), value, after.received());
        expect(deliveries.map((delivery) => delivery.settlement)).toEqual([
          'acknowledged',
          settlement,
          'acknowledged',
        ]);
        expect(await rowOf(after.requestId)).toBeDefined();
      });

      test('an event that only the database refuses is found by halving', async () => {
        const change = keyCreated(eventsOf().requestId);
        // A lone surrogate passes as text, but not inside JSON.
        const poison = { ...change, key: { ...change.key, name: '\ud800' } };
        const events = Array.from({ length: 20 }, () => eventsOf().received());
        const deliveries = await write(...events.slice(0, 13), poison, ...events.slice(13));
        expect(deliveries[13]?.settlement).toMatch(/^quarantined: .* SQLSTATE 22/);
        const others = deliveries.filter((_, index) => index !== 13);
        expect(others.every(({ settlement }) => settlement === 'acknowledged')).toBe(true);
        for (const { requestId } of events) expect(await rowOf(requestId)).toBeDefined();
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
        const [delivery] = await write(
          events.attempted({ attempt: ATTEMPTS_MAX, usage: most, errorCode: 'é'.repeat(300) }),
        );
        expect(delivery?.settlement).toBe('acknowledged');
        const row = await rowOf(events.requestId);
        expect(row?.input_tokens).toBe(TOKENS_MAX);
        expect(row?.attempt_details[0]?.error_code).toHaveLength(TEXT_LENGTH_MAX);
      });
    });

    describe('queries', () => {
      let paged: Database;
      const ids: string[] = [];

      beforeAll(async () => {
        paged = await openMigrated(openEmpty);
        const events = Array.from({ length: 230 }, (_, index) => {
          const { requestId, finished } = eventsOf(idAt(Date.UTC(2026, 9, 1) + index));
          ids.unshift(requestId);
          return finished({
            keyId: index % 2 === 0 ? 'even' : 'odd',
            tenant: index % 23 === 0 ? 'rare' : 'acme',
            status: index % 10 === 0 ? 502 : 200,
          });
        });
        await writerOf(paged)(...events);
      });
      afterAll(() => paged.close());

      const page = (query: Partial<Parameters<typeof queryAudit>[1]>) =>
        queryAudit(paged, { limit: 200, ...query });

      test('pages run from the newest to the oldest without gap or repetition', async () => {
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const { data, next_cursor } = await page({ limit: 50, ...(cursor && { cursor }) });
          seen.push(...data.map((row) => row.request_id));
          expect(data.length).toBeLessThanOrEqual(50);
          cursor = next_cursor;
        } while (cursor !== null);
        expect(seen).toEqual(ids);
      });

      test('a page that ends with the last row says so', async () => {
        const { data, next_cursor } = await page({ cursor: cursorOf(ids[29] ?? ''), limit: 200 });
        expect(data).toHaveLength(200);
        expect(next_cursor).toBeNull();
      });

      test('filters by key, tenant and status, also together', async () => {
        expect((await page({ keyId: 'even' })).data).toHaveLength(115);
        expect((await page({ tenant: 'rare' })).data).toHaveLength(10);
        expect((await page({ status: 502 })).data).toHaveLength(23);
        const both = await page({ tenant: 'rare', status: 502, keyId: 'even' });
        expect(both.data).toHaveLength(1);
        expect((await page({ keyId: "x' OR true --" })).data).toHaveLength(0);
      });

      test.each(['', 'abc', '!'.repeat(22), `${'A'.repeat(21)}B`])(
        'refuses %j, which is no cursor',
        async (cursor) => {
          await expect(page({ cursor })).rejects.toMatchObject({
            code: 'invalid_request',
            facts: { param: 'cursor' },
          });
        },
      );

      test('a page of large rows is cut short and goes on', async () => {
        const large = await openMigrated(openEmpty);
        const text = '\u0001'.repeat(TEXT_LENGTH_MAX);
        const events = Array.from({ length: 6 }, (_, index) => eventsOf(idAt(index))).flatMap(
          ({ attempted }) =>
            Array.from({ length: ATTEMPTS_MAX }, (_, index) =>
              attempted({ attempt: index + 1, provider: text, model: text, errorCode: text }),
            ),
        );
        await writerOf(large)(...events);
        const first = await queryAudit(large, { limit: 200 });
        expect(first.data).toHaveLength(2);
        expect(Buffer.byteLength(JSON.stringify(first))).toBeLessThan(768 * 1024);
        const cursor = first.next_cursor ?? '';
        expect((await queryAudit(large, { limit: 200, cursor })).data).toHaveLength(2);
        await large.close();
      });

      test('reads a page by an index', async () => {
        for (const condition of ['true', `key_id = 'odd'`, `tenant = 'rare'`, 'status = 502']) {
          const plan = await paged.transaction(async (connection) => {
            await connection.query('SET LOCAL enable_seqscan = off');
            await connection.query('SET LOCAL enable_sort = off');
            return connection.query(
              `EXPLAIN SELECT * FROM audit WHERE ${condition} ORDER BY request_id DESC LIMIT 10`,
            );
          });
          const text = plan.map((row) => row['QUERY PLAN']).join('\n');
          expect(text, condition).not.toMatch(/Seq Scan|Sort {2}\(/);
        }
      });

      test('admissions are what the limiter counted', async () => {
        const fresh = await openMigrated(openEmpty);
        const since = Date.UTC(2026, 9, 2);
        const [old, running, refused, upstream, invalid] = [-1, 0, 1, 2, 3].map((offset) =>
          eventsOf(idAt(since + offset)),
        );
        await writerOf(fresh)(
          old?.received(),
          running?.received(),
          refused?.received(),
          refused?.finished({ status: 429, errorCode: 'rate_limited' }),
          upstream?.received(),
          upstream?.finished({ status: 429, errorCode: 'provider_rate_limited' }),
          invalid?.finished({ status: 400, errorCode: 'invalid_request' }),
        );
        const at = Date.UTC(2026, 9, 1, 12);
        expect(await recentAdmissions(fresh, since)).toEqual([
          { requestId: upstream?.requestId, keyId: 'abcdefghijkl', at },
          { requestId: running?.requestId, keyId: 'abcdefghijkl', at },
        ]);
        await fresh.close();
      });
    });

    describe('schema', () => {
      test('may be migrated again, and by several at once', async () => {
        const fresh = await openEmpty();
        const now = new Date();
        const start = async () => {
          await migrate(fresh);
          await makePartitions(fresh, now);
        };
        await Promise.all([start(), start(), start()]);
        await start();
        expect(await fresh.query('SELECT name FROM schema_migrations')).toHaveLength(1);
        await fresh.close();
      });

      test('a newer one is refused in words', async () => {
        const fresh = await openEmpty();
        await migrate(fresh);
        await fresh.query("INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')");
        await expect(migrate(fresh)).rejects.toThrow(SchemaTooNew);
        await expect(migrate(fresh)).rejects.toThrow(/has schema 9999, this version knows 1/);
        await fresh.close();
      });

      test('rows that came before their partition move into it', async () => {
        const fresh = await openMigrated(openEmpty);
        const month = new Date(Date.UTC(2031, 4));
        const events = eventsOf(idAt(month.getTime()));
        await writerOf(fresh)(events.received(), events.attempted());
        const place = () =>
          fresh.query(
            `SELECT r.tableoid::regclass::text AS r, a.tableoid::regclass::text AS a
             FROM requests r JOIN attempts a USING (request_id)`,
          );
        expect(await place()).toEqual([{ r: 'requests_default', a: 'attempts_default' }]);
        await makePartitions(fresh, month);
        expect(await place()).toEqual([{ r: 'requests_2031_05', a: 'attempts_2031_05' }]);
        await writerOf(fresh)(events.finished());
        expect((await queryAudit(fresh, { limit: 9 })).data).toMatchObject([{ status: 200 }]);
        await fresh.close();
      });

      test('says which errors are those of the data', async () => {
        const failure = (sql: string) => database.query(sql).then(() => 'none', failureOf);
        expect(await failure('SELECT 1/0')).toBe('data');
        expect(await failure('SELECT * FROM no_such_table')).toBe('unavailable');
        const closed = await openEmpty();
        await closed.close();
        const refused = await Promise.resolve()
          .then(() => closed.query('SELECT 1'))
          .then(() => 'none', failureOf);
        expect(refused).toBe('unavailable');
      });

      test('a transaction that fails leaves nothing and the next one works', async () => {
        const failing = database.transaction(async (connection) => {
          await connection.query('CREATE TABLE half_done (a integer)');
          await connection.query('SELECT 1/0');
        });
        await expect(failing).rejects.toThrow();
        const rows = await database.query(`SELECT to_regclass('half_done')::text AS name`);
        expect(rows).toEqual([{ name: null }]);
      });
    });

    test('a full batch is one transaction', async () => {
      const events = Array.from({ length: BATCH_MAX }, () => eventsOf().received());
      const deliveries = await write(...events);
      expect(deliveries.every(({ settlement }) => settlement === 'acknowledged')).toBe(true);
      const rows = await database.query(
        `SELECT count(DISTINCT xmin::text)::text AS transactions, count(*)::text AS rows
         FROM requests WHERE request_id = ANY ($1::uuid[])`,
        [events.map(({ requestId }) => requestId)],
      );
      expect(rows).toEqual([{ transactions: '1', rows: String(BATCH_MAX) }]);
    });
  });
}

async function openMigrated(openEmpty: () => Promise<Database>): Promise<Database> {
  const database = await openEmpty();
  await migrate(database);
  await makePartitions(database, new Date());
  return database;
}

function writerOf(database: Database) {
  const { signal } = new AbortController();
  const outage = new DatabaseOutage(logger);
  const writeBatch = createBatchWriter({ database, outage, logger, signal });
  return async (...events: readonly (RequestEvent | unknown)[]) => {
    const deliveries = events.map((event) => deliveryOf(event));
    await writeBatch(deliveries);
    return deliveries;
  };
}

/** A request id of that time. */
function idAt(timeMs: number): string {
  return leastRequestId(timeMs).replace(/0000-0000-(.{12})$/, '7000-8000-$1');
}

function idAfter(requestId: string): string {
  const next = BigInt(`0x${requestId.replaceAll('-', '')}`) + 1n;
  return next.toString(16).padStart(32, '0');
}
