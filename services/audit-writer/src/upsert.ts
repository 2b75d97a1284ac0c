/**
 * The statements that write a batch. Rows go as one JSON parameter, one statement for each table
 * whatever the size of the batch. Rows are sorted, so that several writers lock them in the same order.
 */
import type { Connection } from './database.ts';
import type { ControlColumns } from './event-columns.ts';
import type { RequestState } from './row.ts';

const FACTS = {
  time: 'timestamptz',
  tenant: 'text',
  key_id: 'text',
  endpoint: 'text',
  method: 'text',
  model: 'text',
  stream: 'boolean',
  client_ip: 'text',
  user_agent: 'text',
  trace_id: 'text',
  config_revision: 'text',
  facts_order: 'text',
} as const;

const FINISHED = {
  finished_at: 'timestamptz',
  status: 'integer',
  ended: 'text',
  error_code: 'text',
  provider: 'text',
  provider_model: 'text',
  cache: 'text',
  latency_ms: 'double precision',
  time_to_first_token_ms: 'double precision',
  response_bytes: 'bigint',
  finished_attempts: 'integer',
  finished_input_tokens: 'bigint',
  finished_output_tokens: 'bigint',
  finished_cached_tokens: 'bigint',
  finished_reasoning_tokens: 'bigint',
  saved_tokens: 'bigint',
  finished_assumed: 'boolean',
  refusals: 'integer',
  finished_order: 'text',
} as const;

const ATTEMPT = {
  request_id: 'uuid',
  attempt: 'integer',
  time: 'timestamptz',
  tenant: 'text',
  provider: 'text',
  model: 'text',
  response_model: 'text',
  upstream_request_id: 'text',
  upstream_status: 'integer',
  error_code: 'text',
  finish_reasons: 'text[]',
  input_tokens: 'bigint',
  output_tokens: 'bigint',
  cached_tokens: 'bigint',
  cache_write_tokens: 'bigint',
  reasoning_tokens: 'bigint',
  usage_source: 'text',
  latency_ms: 'double precision',
  time_to_first_byte_ms: 'double precision',
  assumed: 'boolean',
  cost_micro_usd: 'bigint',
  price_date: 'date',
  attempt_order: 'text',
} as const;

const CONTROL = {
  change_id: 'uuid',
  time: 'timestamptz',
  actor_key_id: 'text',
  action: 'text',
  key_id: 'text',
  tenant: 'text',
  key: 'jsonb',
} as const;

const UPSERT_REQUESTS = `
${insertFrom('requests', { request_id: 'uuid', deadline_at: 'timestamptz', ...FACTS, ...FINISHED })}
ON CONFLICT (request_id) DO UPDATE SET
  ${takeHigher(FACTS, 'facts_order')},
  ${takeHigher(FINISHED, 'finished_order')},
  deadline_at = greatest(old.deadline_at, excluded.deadline_at)
WHERE excluded.facts_order > old.facts_order
  OR excluded.finished_order > old.finished_order
  OR excluded.deadline_at > coalesce(old.deadline_at, '-infinity')`;

const UPSERT_ATTEMPTS = `
${insertFrom('attempts', ATTEMPT)}
ON CONFLICT (request_id, attempt) DO UPDATE SET
  ${Object.keys(ATTEMPT)
    .map((name) => `"${name}" = excluded."${name}"`)
    .join(', ')}
WHERE excluded.attempt_order > old.attempt_order`;

const INSERT_CONTROL = `
${insertFrom('control_changes', CONTROL)}
ON CONFLICT (change_id) DO NOTHING`;

/** Writes in the connection's transaction. A request may be among the states once only. */
export async function upsert(
  connection: Connection,
  states: readonly RequestState[],
  changes: readonly ControlColumns[],
): Promise<void> {
  const sorted = states.toSorted((left, right) => (left.requestId < right.requestId ? -1 : 1));
  const attempts = sorted.flatMap(({ requestId, attempts }) =>
    [...attempts.values()]
      .sort((left, right) => left.attempt - right.attempt)
      .map((attempt) => ({ request_id: requestId, ...attempt })),
  );
  const requests = sorted.map(({ requestId, deadline, facts, finished }) => ({
    request_id: requestId,
    deadline_at: deadline,
    ...facts,
    ...(finished ?? { finished_order: '' }),
  }));
  if (requests.length > 0) await connection.query(UPSERT_REQUESTS, [JSON.stringify(requests)]);
  if (attempts.length > 0) await connection.query(UPSERT_ATTEMPTS, [JSON.stringify(attempts)]);
  if (changes.length > 0) {
    const rows = changes.toSorted((left, right) => (left.change_id < right.change_id ? -1 : 1));
    await connection.query(INSERT_CONTROL, [JSON.stringify(rows)]);
  }
}

function insertFrom(table: string, columns: Readonly<Record<string, string>>): string {
  const names = Object.keys(columns).map((name) => `"${name}"`);
  const definitions = Object.entries(columns).map(([name, type]) => `"${name}" ${type}`);
  return `INSERT INTO ${table} AS old (${names.join(', ')})
SELECT ${names.join(', ')} FROM json_to_recordset($1::json) AS new(${definitions.join(', ')})`;
}

/** The whole group comes from the event of the higher order. */
function takeHigher(columns: Readonly<Record<string, string>>, order: string): string {
  return Object.keys(columns)
    .map(
      (name) =>
        `"${name}" = CASE WHEN excluded.${order} > old.${order}` +
        ` THEN excluded."${name}" ELSE old."${name}" END`,
    )
    .join(', ');
}
