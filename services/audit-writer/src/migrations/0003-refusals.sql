-- From `finished`. How many refusals without a valid key the row stands for, when it is a summary of
-- them; null when it is the row of one request.
ALTER TABLE requests ADD COLUMN refusals integer;

-- As before, and with that column.
CREATE OR REPLACE VIEW audit AS
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
  coalesce(r.finished_assumed, false) OR coalesce(a.assumed, false) AS assumed,
  r.refusals
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
        'latency_ms', t.latency_ms,
        'assumed', t.assumed
      ) ORDER BY t.attempt
    ) AS details
  FROM attempts t
  WHERE t.request_id = r.request_id
    AND (
      t.provider <> ''
      OR (
        r.finished_assumed IS DISTINCT FROM false
        AND NOT EXISTS (
          SELECT 1 FROM attempts later
          WHERE later.request_id = t.request_id AND later.attempt > t.attempt
        )
      )
    )
) a;
