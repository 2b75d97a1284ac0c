import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isDuplicate } from '../src/database.ts';
import { GatheredRows } from '../src/gathered-rows.ts';
import { mergeStates } from '../src/row.ts';
import { mergeStatements, type Rows } from '../src/row-statements.ts';
import {
  type DatabaseUnderTest,
  type MigratedDatabase,
  openMigrated,
} from './database-under-test.ts';
import { eventSets } from './event-sets.ts';
import { eventsOf, stateIn } from './events.ts';

const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function copyStatements({ states }: Rows) {
  const rows = new GatheredRows();
  for (const state of states) rows.add(state);
  return rows.take();
}

export function describeRows({ openEmpty, propertyRuns }: DatabaseUnderTest): void {
  describe('rows', () => {
    let shared: MigratedDatabase;
    beforeAll(async () => {
      shared = await openMigrated(openEmpty);
    });
    afterAll(() => shared.database.close());

    const stored = (requestId: string) =>
      shared.database.query(
        `SELECT row_to_json(r)::text AS request,
           (SELECT json_agg(t ORDER BY t.attempt)::text FROM attempts t
            WHERE t.request_id = r.request_id) AS attempts
         FROM requests r WHERE r.request_id = $1`,
        [requestId],
      );
    const remove = (requestId: string) =>
      shared.database.write([
        { sql: 'DELETE FROM requests WHERE request_id = $1', parameters: [requestId] },
        { sql: 'DELETE FROM attempts WHERE request_id = $1', parameters: [requestId] },
      ]);

    async function expectSameRows(state: ReturnType<typeof stateIn>): Promise<void> {
      const rows = { states: [state], changes: [] };
      await shared.database.write(mergeStatements(rows));
      const merged = await stored(state.requestId);
      await remove(state.requestId);
      const statements = copyStatements(rows);
      expect('copyInto' in (statements[0] ?? {})).toBe(true);
      await shared.database.write(statements);
      expect(await stored(state.requestId)).toEqual(merged);
      expect(merged).toHaveLength(1);
    }

    test('are the same copied as merged', async () => {
      await fc.assert(
        fc.asyncProperty(eventSets, async (some) => {
          const { requestId } = some[0] ?? eventsOf();
          const { received, finished } = eventsOf(requestId);
          const whole = [...some, received(), finished({ attempts: 0 })];
          const state = whole.map(stateIn).reduce(mergeStates);
          if (state.finished?.finished_assumed !== false) throw new Error('expected a true end');
          const attempts = Math.min(state.finished.finished_attempts, state.attempts.length);
          await expectSameRows({
            ...state,
            finished: { ...state.finished, finished_attempts: attempts },
          });
        }),
        { numRuns: propertyRuns },
      );
    });

    test('are the same at the bounds of their columns, and with texts of many bytes', async () => {
      const { received, attempted, finished } = eventsOf();
      const long = '\u{1f600}é\t\\\n"'.repeat(40);
      const events = [
        received({ receivedAt: 0, deadlineAt: LAST_MS, userAgent: long, tenant: '' }),
        attempted({ at: LAST_MS, finishReasons: [long, '', 'NULL'], latencyMs: 1e12 }),
        finished({ finishedAt: LAST_MS, responseBytes: Number.MAX_SAFE_INTEGER, model: long }),
      ];
      await expectSameRows(events.map(stateIn).reduce(mergeStates));
    });

    test('of which one is there already are refused whole', async () => {
      const [known, fresh] = [eventsOf(), eventsOf()].map(({ received, attempted, finished }) =>
        [received(), attempted(), finished()].map(stateIn).reduce(mergeStates),
      );
      if (known === undefined || fresh === undefined) throw new Error('expected two');
      await shared.database.write(copyStatements({ states: [known], changes: [] }));
      const refused = shared.database.write(
        copyStatements({ states: [known, fresh], changes: [] }),
      );
      expect(await refused.then(() => false, isDuplicate)).toBe(true);
      expect(await stored(fresh.requestId)).toEqual([]);
    });

    test('of a request that may be known in part are merged', () => {
      const kinds = (...events: Parameters<typeof stateIn>[0][]) => {
        const states = [events.map(stateIn).reduce(mergeStates)];
        const statements = copyStatements({ states, changes: [] });
        return statements.map((statement) => ('sql' in statement ? 'merged' : 'copied'));
      };
      const { received, attempted, finished } = eventsOf();
      expect(kinds(received(), attempted(), finished())).toEqual(['copied', 'copied']);
      expect(kinds(finished({ attempts: 0, ended: 'refused' }))).toEqual(['copied']);
      expect(kinds(received())).toEqual(['merged']);
      expect(kinds(received(), finished())).toEqual(['merged']);
      expect(kinds(attempted(), finished())).toEqual(['merged', 'merged']);
      const assumed = finished({ assumed: true });
      expect(kinds(received(), attempted(), assumed)).toEqual(['merged', 'merged']);
    });
  });
}
