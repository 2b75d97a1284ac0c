/**
 * The pure counterpart of the merge in SQL, and what folds the events of one batch before they are
 * written. A state is what any set of events says of one request; merging is commutative,
 * associative and idempotent, so the order and the repetition of events do not matter.
 */
import type {
  AttemptedEvent,
  AuditAttempt,
  AuditRow,
  FinishedEvent,
  ReceivedEvent,
} from '@gateway/protocol';
import {
  type AttemptColumns,
  attemptOf,
  deadlineOf,
  type FactsColumns,
  type FinishedColumns,
  factsOf,
  factsOfAttempt,
  finishedOf,
} from './event-columns.ts';

export type RequestEvent = ReceivedEvent | AttemptedEvent | FinishedEvent;

export interface RequestState {
  /** Lower case, as the database writes it. */
  readonly requestId: string;
  readonly facts: FactsColumns;
  /** From `received`. */
  readonly deadline: number | null;
  readonly finished: FinishedColumns | null;
  /** In the order of their numbers. */
  readonly attempts: readonly AttemptColumns[];
}

/** What one event says, with the digest of its bytes. Throws `UnstorableEvent`. */
export function stateOf(event: RequestEvent, digest: string): RequestState {
  const requestId = event.requestId.toLowerCase();
  switch (event.kind) {
    case 'received': {
      const deadline = deadlineOf(event);
      return { requestId, facts: factsOf(event, digest), deadline, finished: null, attempts: [] };
    }
    case 'finished': {
      const finished = finishedOf(event, digest);
      return { requestId, facts: factsOf(event, digest), deadline: null, finished, attempts: [] };
    }
    case 'attempted': {
      const attempts = [attemptOf(event, digest)];
      const facts = factsOfAttempt(event, digest);
      return { requestId, facts, deadline: null, finished: null, attempts };
    }
  }
}

/** What two sets of events of the same request say together. */
export function mergeStates(left: RequestState, right: RequestState): RequestState {
  return {
    requestId: left.requestId,
    facts: left.facts.facts_order >= right.facts.facts_order ? left.facts : right.facts,
    deadline: later(left.deadline, right.deadline),
    finished:
      (left.finished?.finished_order ?? '') >= (right.finished?.finished_order ?? '')
        ? left.finished
        : right.finished,
    attempts: mergeAttempts(left.attempts, right.attempts),
  };
}

function mergeAttempts(
  left: readonly AttemptColumns[],
  right: readonly AttemptColumns[],
): readonly AttemptColumns[] {
  if (left.length === 0) return right;
  if (right.length === 0) return left;
  const merged = new Map(left.map((attempt) => [attempt.attempt, attempt]));
  for (const attempt of right) {
    const other = merged.get(attempt.attempt);
    if (other === undefined || attempt.attempt_order > other.attempt_order) {
      merged.set(attempt.attempt, attempt);
    }
  }
  return [...merged.values()].sort((a, b) => a.attempt - b.attempt);
}

function later(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.max(left, right);
}

/** The row that the view `audit` shows for this state. */
export function auditRowOf(state: RequestState): AuditRow {
  const { facts, finished } = state;
  const attempts = attemptsOf(state);
  return {
    request_id: state.requestId,
    time: isoTime(facts.time),
    tenant: facts.tenant,
    key_id: facts.key_id,
    endpoint: facts.endpoint,
    method: facts.method,
    model: facts.model,
    provider: finished?.provider ?? null,
    provider_model: finished?.provider_model ?? null,
    stream: facts.stream,
    status: finished?.status ?? null,
    ended: finished?.ended ?? null,
    error_code: finished?.error_code ?? null,
    ...tokensOf(attempts, finished),
    saved_tokens: finished?.saved_tokens ?? 0,
    ...costOfRow(attempts, finished),
    latency_ms: finished?.latency_ms ?? null,
    time_to_first_token_ms: finished?.time_to_first_token_ms ?? null,
    response_bytes: finished?.response_bytes ?? null,
    attempts: Math.max(attempts.length, finished?.finished_attempts ?? 0),
    attempt_details: attempts.map(detailsOf),
    cache: finished?.cache ?? null,
    client_ip: facts.client_ip,
    user_agent: facts.user_agent,
    trace_id: facts.trace_id,
    config_revision: facts.config_revision,
    assumed: (finished?.finished_assumed ?? false) || attempts.some(({ assumed }) => assumed),
    refusals: finished?.refusals ?? null,
  };
}

/**
 * One without a provider stands for a call that nobody may have made: it is left out once the true
 * end, or a later attempt, says that there was none.
 */
function attemptsOf({ attempts, finished }: RequestState): readonly AttemptColumns[] {
  const isEndKnown = finished !== null && !finished.finished_assumed;
  return attempts.filter(
    (attempt) => attempt.provider !== '' || (!isEndKnown && attempt === attempts.at(-1)),
  );
}

type Tokens = Pick<
  AuditRow,
  'input_tokens' | 'output_tokens' | 'cached_tokens' | 'reasoning_tokens'
>;

/** Of the attempts; what `finished` says counts only where there are none. */
function tokensOf(attempts: readonly AttemptColumns[], finished: FinishedColumns | null): Tokens {
  if (attempts.length === 0) {
    return {
      input_tokens: finished?.finished_input_tokens ?? 0,
      output_tokens: finished?.finished_output_tokens ?? 0,
      cached_tokens: finished?.finished_cached_tokens ?? 0,
      reasoning_tokens: finished?.finished_reasoning_tokens ?? 0,
    };
  }
  return {
    input_tokens: sum(attempts.map((attempt) => attempt.input_tokens)),
    output_tokens: sum(attempts.map((attempt) => attempt.output_tokens)),
    cached_tokens: sum(attempts.map((attempt) => attempt.cached_tokens)),
    reasoning_tokens: sum(attempts.map((attempt) => attempt.reasoning_tokens)),
  };
}

/** Unknown as soon as the cost of one attempt is, or an attempt has not been heard of yet. */
function costOfRow(
  attempts: readonly AttemptColumns[],
  finished: FinishedColumns | null,
): Pick<AuditRow, 'cost_micro_usd' | 'price_date'> {
  if (attempts.length === 0) {
    const isFree = (finished?.finished_attempts ?? 0) === 0;
    return { cost_micro_usd: isFree ? 0 : null, price_date: null };
  }
  const costs = attempts.map((attempt) => attempt.cost_micro_usd).filter((cost) => cost !== null);
  if (costs.length < attempts.length) return { cost_micro_usd: null, price_date: null };
  const dates = attempts.map((attempt) => attempt.price_date).filter((date) => date !== null);
  return { cost_micro_usd: sum(costs), price_date: dates.sort().at(-1) ?? null };
}

function sum(values: readonly number[]): number {
  return values.reduce((left, right) => left + right, 0);
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function detailsOf(attempt: AttemptColumns): AuditAttempt {
  return {
    attempt: attempt.attempt,
    time: isoTime(attempt.time),
    provider: attempt.provider,
    model: attempt.model,
    upstream_status: attempt.upstream_status,
    error_code: attempt.error_code,
    input_tokens: attempt.input_tokens,
    output_tokens: attempt.output_tokens,
    usage_source: attempt.usage_source,
    latency_ms: attempt.latency_ms,
    assumed: attempt.assumed,
  };
}
