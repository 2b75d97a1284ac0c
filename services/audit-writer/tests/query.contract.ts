import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ATTEMPTS_MAX, TEXT_LENGTH_MAX } from '../src/event-columns.ts';
import { cursorOf, queryAudit } from '../src/query.ts';
import { recentAdmissions } from '../src/recent-admissions.ts';
import {
  type DatabaseUnderTest,
  idAt,
  type MigratedDatabase,
  openMigrated,
} from './database-under-test.ts';
import { eventsOf } from './events.ts';

export function describeQueries({ openEmpty }: DatabaseUnderTest): void {
  describe('queries', () => {
    let paged: MigratedDatabase;
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
      await paged.write(...events);
    });
    afterAll(() => paged.database.close());

    const page = (query: Partial<Parameters<typeof queryAudit>[1]>) =>
      queryAudit(paged.database, { limit: 200, ...query });

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
          message: "Invalid 'cursor': expected the next_cursor of an earlier page.",
          facts: { param: 'cursor', reason: 'invalid_value' },
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
      await large.write(...events);
      const first = await queryAudit(large.database, { limit: 200 });
      expect(first.data).toHaveLength(2);
      expect(Buffer.byteLength(JSON.stringify(first))).toBeLessThan(768 * 1024);
      const cursor = first.next_cursor ?? '';
      expect((await queryAudit(large.database, { limit: 200, cursor })).data).toHaveLength(2);
      await large.database.close();
    });

    test('reads a page by an index', async () => {
      for (const condition of [
        'true',
        `key_id = 'odd'`,
        `tenant = 'rare'`,
        'status = 502',
        'status = 200',
      ]) {
        const plan = await paged.database.transaction(async (connection) => {
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

    test('finds requests that failed by an index that holds no others', async () => {
      const plan = await paged.database.transaction(async (connection) => {
        await connection.query('SET LOCAL enable_seqscan = off');
        return connection.query(
          'EXPLAIN SELECT * FROM audit WHERE status = $1 ORDER BY request_id DESC LIMIT 10',
          [502],
        );
      });
      const text = plan.map((row) => row['QUERY PLAN']).join('\n');
      expect(text).toMatch(/requests_\w*status_request_id_idx/);
      const [index] = await paged.database.query(
        `SELECT pg_get_expr(indpred, indrelid) AS holds FROM pg_index
         WHERE indexrelid = 'requests_status'::regclass`,
      );
      expect(index).toEqual({ holds: '(status <> 200)' });
    });

    test('admissions are what the limiter counted', async () => {
      const fresh = await openMigrated(openEmpty);
      const since = Date.UTC(2026, 9, 2);
      const [old, running, refused, upstream, invalid] = [-1, 0, 1, 2, 3].map((offset) =>
        eventsOf(idAt(since + offset)),
      );
      await fresh.write(
        old?.received(),
        running?.received(),
        refused?.received(),
        refused?.finished({ status: 429, errorCode: 'rate_limited' }),
        upstream?.received(),
        upstream?.finished({ status: 429, errorCode: 'provider_rate_limited' }),
        invalid?.finished({ status: 400, errorCode: 'invalid_request' }),
      );
      const at = Date.UTC(2026, 9, 1, 12);
      expect(await recentAdmissions(fresh.database, since)).toEqual([
        { requestId: upstream?.requestId, keyId: 'abcdefghijkl', at },
        { requestId: running?.requestId, keyId: 'abcdefghijkl', at },
      ]);
      await fresh.database.close();
    });
  });
}
