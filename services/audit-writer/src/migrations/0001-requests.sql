-- The ledger: a row for each request, a row for each of its provider calls, and what was changed in
-- control data. Runs on PostgreSQL 15 and newer and on PGlite.
--
-- Events come in any order and more than once. What one event says is written as a group of columns
-- with an order, a text that compares as the event ranks; of two events for the same group the one
-- of the higher order stays. Sums are made when read, so nothing depends on what came first.

CREATE TABLE requests (
  -- UUID version 7: sorts by the time of the request.
  request_id uuid NOT NULL,

  -- Who asked for what, from `finished`, else `received`, else as much as an attempt knows.
  "time" timestamptz NOT NULL,
  tenant text NOT NULL,
  key_id text NOT NULL,
  endpoint text NOT NULL,
  method text NOT NULL,
  model text NOT NULL,
  stream boolean NOT NULL,
  client_ip text NOT NULL,
  user_agent text NOT NULL,
  trace_id text,
  config_revision text NOT NULL,
  facts_order text COLLATE "C" NOT NULL,

  -- From `received`; null when that has not come. When the request will have ended.
  deadline_at timestamptz,

  -- From `finished`; null while the request runs.
  finished_at timestamptz,
  status integer,
  ended text,
  error_code text,
  provider text,
  provider_model text,
  cache text,
  latency_ms double precision,
  time_to_first_token_ms double precision,
  response_bytes bigint,
  finished_attempts integer,
  finished_input_tokens bigint,
  finished_output_tokens bigint,
  finished_cached_tokens bigint,
  finished_reasoning_tokens bigint,
  saved_tokens bigint,
  finished_assumed boolean,
  finished_order text COLLATE "C" NOT NULL,

  PRIMARY KEY (request_id)
) PARTITION BY RANGE (request_id);

CREATE INDEX requests_key_id ON requests (key_id, request_id);
CREATE INDEX requests_tenant ON requests (tenant, request_id);
CREATE INDEX requests_status ON requests (status, request_id);

-- Takes what belongs to no month that has a partition.
CREATE TABLE requests_default PARTITION OF requests DEFAULT;

CREATE TABLE attempts (
  request_id uuid NOT NULL,
  attempt integer NOT NULL,
  "time" timestamptz NOT NULL,
  tenant text NOT NULL,
  provider text NOT NULL,
  -- The model asked of the provider, and the one it says has answered.
  model text NOT NULL,
  response_model text,
  upstream_request_id text,
  upstream_status integer,
  error_code text,
  finish_reasons text[] NOT NULL,
  -- Input includes what was read from or written to the provider's cache; output includes reasoning.
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cached_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  usage_source text NOT NULL,
  latency_ms double precision NOT NULL,
  time_to_first_byte_ms double precision,
  assumed boolean NOT NULL,
  -- In millionths of a US dollar; null when no price is known.
  cost_micro_usd bigint,
  price_date date,
  attempt_order text COLLATE "C" NOT NULL,
  PRIMARY KEY (request_id, attempt)
) PARTITION BY RANGE (request_id);

CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

CREATE TABLE control_changes (
  change_id uuid PRIMARY KEY,
  "time" timestamptz NOT NULL,
  actor_key_id text NOT NULL,
  action text NOT NULL,
  key_id text NOT NULL,
  tenant text NOT NULL,
  -- The record of the key, which holds the digest of its text and never the text.
  key jsonb NOT NULL
);

CREATE INDEX control_changes_time ON control_changes ("time");

-- The audit as it is read. What the writer lets through keeps sums within 2^53, which JSON holds.
CREATE VIEW audit AS
SELECT
  r.request_id,
  r."time",
  r.tenant,
  r.key_id,
  r.endpoint,
  r.method,
  r.model,
  r.provider,
  r.provider_model,
  r.stream,
  r.status,
  r.ended,
  r.error_code,
  coalesce(a.input_tokens, r.finished_input_tokens, 0) AS input_tokens,
  coalesce(a.output_tokens, r.finished_output_tokens, 0) AS output_tokens,
  coalesce(a.cached_tokens, r.finished_cached_tokens, 0) AS cached_tokens,
  coalesce(a.reasoning_tokens, r.finished_reasoning_tokens, 0) AS reasoning_tokens,
  coalesce(r.saved_tokens, 0) AS saved_tokens,
  CASE
    WHEN a.known > 0 AND a.unpriced = 0 THEN a.cost_micro_usd
    WHEN a.known = 0 AND coalesce(r.finished_attempts, 0) = 0 THEN 0
  END AS cost_micro_usd,
  CASE WHEN a.unpriced = 0 THEN a.price_date END AS price_date,
  r.latency_ms,
  r.time_to_first_token_ms,
  r.response_bytes,
  greatest(a.known, r.finished_attempts) AS attempts,
  coalesce(a.details, '[]') AS attempt_details,
  r.cache,
  r.client_ip,
  r.user_agent,
  r.trace_id,
  r.config_revision,
  coalesce(r.finished_assumed, false) OR coalesce(a.assumed, false) AS assumed
FROM requests r
CROSS JOIN LATERAL (
  SELECT
    count(*)::integer AS known,
    count(*) FILTER (WHERE t.cost_micro_usd IS NULL) AS unpriced,
    sum(t.input_tokens)::bigint AS input_tokens,
    sum(t.output_tokens)::bigint AS output_tokens,
    sum(t.cached_tokens)::bigint AS cached_tokens,
    sum(t.reasoning_tokens)::bigint AS reasoning_tokens,
    sum(t.cost_micro_usd)::bigint AS cost_micro_usd,
    max(t.price_date) AS price_date,
    bool_or(t.assumed) AS assumed,
    json_agg(
      json_build_object(
        'attempt', t.attempt,
        'time', to_char(t."time" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'provider', t.provider,
        'model', t.model,
        'upstream_status', t.upstream_status,
        'error_code', t.error_code,
        'input_tokens', t.input_tokens,
        'output_tokens', t.output_tokens,
        'usage_source', t.usage_source,
        'latency_ms', t.latency_ms
      ) ORDER BY t.attempt
    ) AS details
  FROM attempts t
  WHERE t.request_id = r.request_id
) a;
