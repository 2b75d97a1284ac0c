/**
 * The statements that merge rows by an upsert, one for each table whatever the size of a batch. The rows
 * go as one JSON parameter: a row costs three times as much as one that is copied, and a statement 2 ms
 * to plan. Rows are sorted, so that several writers lock them in the same order.
 */
import {
  ATTEMPT,
  CONTROL,
  type Columns,
  FACTS,
  FINISHED,
  quotedNames,
  REQUEST,
} from './columns.ts';
import type { Statement } from './database.ts';
import type { ControlColumns } from './event-columns.ts';
import type { RequestState } from './row.ts';

/** A request may be among the states once only. */
export interface Rows {
  readonly states: readonly RequestState[];
  readonly changes: readonly ControlColumns[];
}

/** Whatever the tables hold. */
export function mergeStatements({ states, changes }: Rows): readonly Statement[] {
  const { requests, attempts } = tableRows(states);
  return [
    ...(requests.length > 0 ? [withRows(MERGE_REQUESTS, REQUEST, requests)] : []),
    ...(attempts.length > 0 ? [withRows(MERGE_ATTEMPTS, ATTEMPT, attempts)] : []),
    ...(changes.length > 0
      ? [
          withRows(
            INSERT_CONTROL,
            CONTROL,
            changes.toSorted(byText('change_id')).map((change) => [change]),
          ),
        ]
      : []),
  ];
}

/** The objects that hold what a row says. */
type RowParts = readonly object[];

function tableRows(states: readonly RequestState[]) {
  const requests: RowParts[] = [];
  const attempts: RowParts[] = [];
  for (const state of states.toSorted(byText('requestId'))) {
    const request_id = state.requestId;
    const finished = state.finished ?? { finished_order: '' };
    requests.push([{ request_id, deadline_at: state.deadline }, state.facts, finished]);
    for (const attempt of state.attempts) attempts.push([{ request_id }, attempt]);
  }
  return { requests, attempts };
}

function withRows(sql: string, columns: Columns<string>, rows: readonly RowParts[]): Statement {
  const times = Object.keys(columns).filter((name) => columns[name] === 'timestamptz');
  const joined = rows.map((parts) => {
    const row: Record<string, unknown> = Object.assign({}, ...parts);
    for (const name of times) {
      const time = row[name];
      if (typeof time === 'number') row[name] = new Date(time).toISOString();
    }
    return row;
  });
  return { sql, parameters: [JSON.stringify(joined)] };
}

function byText<Name extends string>(name: Name) {
  return (a: Readonly<Record<Name, string>>, b: Readonly<Record<Name, string>>) =>
    a[name] < b[name] ? -1 : 1;
}

const MERGE_REQUESTS = `
${insertFrom('requests', REQUEST)}
ON CONFLICT (request_id) DO UPDATE SET
  ${takeHigher(FACTS, 'facts_order')},
  ${takeHigher(FINISHED, 'finished_order')},
  deadline_at = greatest(old.deadline_at, excluded.deadline_at)
WHERE excluded.facts_order > old.facts_order
  OR excluded.finished_order > old.finished_order
  OR excluded.deadline_at > coalesce(old.deadline_at, '-infinity')`;

const MERGE_ATTEMPTS = `
${insertFrom('attempts', ATTEMPT)}
ON CONFLICT (request_id, attempt) DO UPDATE SET
  ${Object.keys(ATTEMPT)
    .map((name) => `"${name}" = excluded."${name}"`)
    .join(', ')}
WHERE excluded.attempt_order > old.attempt_order`;

const INSERT_CONTROL = `
${insertFrom('control_changes', CONTROL)}
ON CONFLICT (change_id) DO NOTHING`;

function insertFrom(table: string, columns: Columns<string>): string {
  const names = quotedNames(columns);
  const definitions = Object.entries(columns).map(([name, type]) => `"${name}" ${type}`);
  return `INSERT INTO ${table} AS old (${names})
SELECT ${names} FROM json_to_recordset($1::json) AS new(${definitions.join(', ')})`;
}

/** The whole group comes from the event of the higher order. */
function takeHigher(columns: Columns, order: string): string {
  return Object.keys(columns)
    .map(
      (name) =>
        `"${name}" = CASE WHEN excluded.${order} > old.${order}` +
        ` THEN excluded."${name}" ELSE old."${name}" END`,
    )
    .join(', ');
}
