/** The columns of the tables that the writer fills, with their types, in the order of a row. */

export type ColumnType =
  | 'uuid'
  | 'timestamptz'
  | 'text'
  | 'text[]'
  | 'boolean'
  | 'integer'
  | 'bigint'
  | 'double precision'
  | 'date';

export type Columns<Type extends string = ColumnType> = Readonly<Record<string, Type>>;

/** Who asked for what. */
export const FACTS = {
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
} as const satisfies Columns;

export const FINISHED = {
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
} as const satisfies Columns;

export const REQUEST: Columns = {
  request_id: 'uuid',
  deadline_at: 'timestamptz',
  ...FACTS,
  ...FINISHED,
};

export const ATTEMPT: Columns = {
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
};

export const CONTROL = {
  change_id: 'uuid',
  time: 'timestamptz',
  actor_key_id: 'text',
  action: 'text',
  key_id: 'text',
  tenant: 'text',
  key: 'jsonb',
} as const satisfies Columns<ColumnType | 'jsonb'>;

export function quotedNames(columns: Columns<string>): string {
  return Object.keys(columns)
    .map((name) => `"${name}"`)
    .join(', ');
}
