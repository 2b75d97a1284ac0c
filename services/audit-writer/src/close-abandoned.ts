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
/**
 * With more messages of events waiting, the end of a request is more likely among them than lost. One
 * that is closed too early gets its true end nevertheless.
 */
export const BACKLOG_MAX = 1_000;
/** Ids in one log line. */
const NAMED_MAX = 10;
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

/** Runs until the signal. What a round could not do is done when its turn comes again. */
export async function keepClosingAbandoned(options: CloseAbandonedOptions): Promise<void> {
  const { outage, logger, graceMs, signal } = options;
  const intervalMs = Math.max(INTERVAL_MIN_MS, Math.min(graceMs, INTERVAL_MS));
  let after: AbandonedCursor | undefined;
  while (await pause(intervalMs * (0.5 + Math.random()), signal)) {
    if (outage.reason !== undefined) continue;
    try {
      after = (await closeAbandoned(options, Date.now(), after)).next;
    } catch (error) {
      if (!signal.aborted) logger.warn({ error }, 'abandoned requests could not be closed now');
    }
  }
}

export interface ClosingRound {
  readonly closed: number;
  /** Where the next round goes on; from the longest overdue again where it is undefined. */
  readonly next: AbandonedCursor | undefined;
}

/**
 * One round. It goes past requests that cannot be read or whose end the bus does not take, so that
 * they hold up no others. Throws what the database throws.
 */
export async function closeAbandoned(
  { bus, database, logger, graceMs }: CloseAbandonedOptions,
  nowMs: number,
  after?: AbandonedCursor,
): Promise<ClosingRound> {
  if ((await bus.backlog(consumers.auditWriter)).pending > BACKLOG_MAX) {
    return { closed: 0, next: after };
  }
  const { requests, unreadable, next } = await findAbandoned(database, nowMs - graceMs, after);
  if (unreadable.length > 0) {
    const requestIds = unreadable.slice(0, NAMED_MAX);
    const facts = { requests: unreadable.length, requestIds };
    logger.error(facts, 'abandoned requests cannot be read and stay open');
  }
  const results = await Promise.allSettled(
    requests.map(async (request) => {
      for (const event of closingEvents(request)) await bus.publish(event);
    }),
  );
  const failures = results.filter((result) => result.status === 'rejected');
  if (failures.length > 0) {
    const facts = { requests: failures.length, error: failures[0]?.reason };
    logger.warn(facts, 'the ends of abandoned requests could not be published now');
  }
  const closed = results.length - failures.length;
  if (closed > 0) {
    abandonedRequests.add(closed);
    logger.warn({ requests: closed }, 'closed requests that were abandoned');
  }
  return { closed, next };
}

/** The last request of a page, as the database writes it. */
export interface AbandonedCursor {
  readonly deadline: string;
  readonly requestId: string;
}

export interface AbandonedPage {
  readonly requests: readonly OpenRequest[];
  /** The ids of those that hold what no request of ours does. */
  readonly unreadable: readonly string[];
  /** Undefined where there are no more. */
  readonly next: AbandonedCursor | undefined;
}

/**
 * Requests without an end whose deadline was before the time, the longest overdue first, `CLOSED_MAX`
 * at a time.
 */
export async function findAbandoned(
  database: Database,
  deadlineBeforeMs: number,
  after: AbandonedCursor = BEFORE_ALL,
): Promise<AbandonedPage> {
  const deadlineBefore = new Date(deadlineBeforeMs).toISOString();
  const parameters = [deadlineBefore, after.deadline, after.requestId];
  const rows = await database.query(FIND_ABANDONED, parameters);
  const requests: OpenRequest[] = [];
  const unreadable: string[] = [];
  for (const { row, request_id } of rows) {
    const { success, data } = openRequest.safeParse(JSON.parse(String(row)));
    if (success) requests.push(data);
    else unreadable.push(String(request_id));
  }
  const last = rows.length < CLOSED_MAX ? undefined : rows.at(-1);
  const next = last && { deadline: String(last.deadline), requestId: String(last.request_id) };
  return { requests, unreadable, next };
}

const BEFORE_ALL: AbandonedCursor = {
  deadline: '-infinity',
  requestId: '00000000-0000-0000-0000-000000000000',
};

/** Reads the index of open requests alone, and the attempts of what it finds. */
export const FIND_ABANDONED = `
SELECT row_to_json(open)::text AS row, open.request_id::text AS request_id,
  open.deadline::text AS deadline
FROM (
  SELECT r.request_id, r.deadline_at AS deadline,
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
    AND (r.deadline_at, r.request_id) > ($2::timestamptz, $3::uuid)
  ORDER BY r.deadline_at, r.request_id LIMIT ${CLOSED_MAX}
) open`;
