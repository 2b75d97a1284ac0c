/**
 * Closes requests whose ingress died: a while after its deadline a request without an end gets one as
 * an event, so that every consumer hears of it and a true end, should it still come, replaces it. All
 * replicas may do so at once; the events have the same message ids.
 */
import type { Bus } from '@gateway/bus';
import { consumers } from '@gateway/protocol';
import { getMeter, type Logger } from '@gateway/telemetry';
import { closingEvents, type OpenRequest, openRequest } from './closing-events.ts';
import type { Database } from './database.ts';
import type { DatabaseOutage } from './database-outage.ts';
import { pause } from './pause.ts';

/**
 * Longer than what a writer that died had taken needs to come again (`acknowledgeWithinMs`, 15 s). With
 * less, requests that ended well may be closed until it does.
 */
export const GRACE_DEFAULT_MS = 30_000;
/** Requests closed in one round. */
export const CLOSED_MAX = 500;
/** With more events waiting, the end of a request is more likely among them than lost. */
export const BACKLOG_MAX = 1_000;
/** A shorter grace is looked for as often as it is long. */
const INTERVAL_MS = 5_000;
const INTERVAL_MIN_MS = 100;

const abandonedRequests = getMeter('audit-writer').createCounter('gateway.audit.abandoned', {
  description: 'Ends published for requests whose ingress died',
});

export interface CloseAbandonedOptions {
  readonly bus: Bus;
  readonly database: Database;
  readonly outage: DatabaseOutage;
  readonly logger: Logger;
  /** From a request's deadline until it counts as abandoned. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
}

/** Runs until the signal. What a round could not do the next one does. */
export async function keepClosingAbandoned(options: CloseAbandonedOptions): Promise<void> {
  const { outage, logger, graceMs, signal } = options;
  const intervalMs = Math.max(INTERVAL_MIN_MS, Math.min(graceMs, INTERVAL_MS));
  while (await pause(intervalMs * (0.5 + Math.random()), signal)) {
    if (outage.reason !== undefined) continue;
    await closeAbandoned(options, Date.now()).catch((error: unknown) => {
      if (!signal.aborted) logger.warn({ error }, 'abandoned requests could not be closed now');
    });
  }
}

/** One round; resolves with the number of requests closed. Throws what the bus or database throws. */
export async function closeAbandoned(
  { bus, database, logger, graceMs }: CloseAbandonedOptions,
  nowMs: number,
): Promise<number> {
  if ((await bus.backlog(consumers.auditWriter)).pending > BACKLOG_MAX) return 0;
  const abandoned = await findAbandoned(database, nowMs - graceMs);
  await Promise.all(
    abandoned.map(async (request) => {
      for (const event of closingEvents(request)) await bus.publish(event);
    }),
  );
  if (abandoned.length > 0) {
    abandonedRequests.add(abandoned.length);
    logger.warn({ requests: abandoned.length }, 'closed requests that were abandoned');
  }
  return abandoned.length;
}

/** Requests without an end whose deadline was before the time, the longest overdue first. */
export async function findAbandoned(
  database: Database,
  deadlineBeforeMs: number,
): Promise<readonly OpenRequest[]> {
  const rows = await database.query(FIND_ABANDONED, [new Date(deadlineBeforeMs).toISOString()]);
  return rows.map(({ row }) => openRequest.parse(JSON.parse(String(row))));
}

/** Reads the index of open requests alone, and the attempts of what it finds. */
const FIND_ABANDONED = `
SELECT row_to_json(open)::text AS row FROM (
  SELECT r.request_id,
    (extract(epoch FROM r."time") * 1000)::bigint AS received_at,
    (extract(epoch FROM r.deadline_at) * 1000)::bigint AS deadline_at,
    r.tenant, r.key_id, r.endpoint, r.method, r.model, r.stream, r.client_ip, r.user_agent,
    r.trace_id, r.config_revision,
    (
      SELECT coalesce(json_agg(known ORDER BY known.attempt), '[]') FROM (
        SELECT t.attempt, t.provider, t.model, t.error_code, t.input_tokens, t.output_tokens,
          t.cached_tokens, t.cache_write_tokens, t.reasoning_tokens
        FROM attempts t WHERE t.request_id = r.request_id
      ) known
    ) AS attempts
  FROM requests r
  WHERE r.finished_at IS NULL AND r.deadline_at IS NOT NULL AND r.deadline_at < $1::timestamptz
  ORDER BY r.deadline_at LIMIT ${CLOSED_MAX}
) open`;
