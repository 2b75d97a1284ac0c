/** What is known whole of a request, as rows to copy into the tables. */
import { ATTEMPT, quotedNames, REQUEST } from './columns.ts';
import { CopyWriter, type Span } from './copy-writer.ts';
import type { CopyStatement } from './database.ts';
import type { AttemptColumns, FactsColumns, FinishedColumns } from './event-columns.ts';
import type { RequestState } from './row.ts';

const REQUESTS = `requests (${quotedNames(REQUEST)})`;
const ATTEMPTS = `attempts (${quotedNames(ATTEMPT)})`;
const REQUEST_FIELDS = Object.keys(REQUEST).length;
const ATTEMPT_FIELDS = Object.keys(ATTEMPT).length;

export interface EndedState extends RequestState {
  readonly finished: FinishedColumns;
}

/** Where the rows of a request are. */
interface Place {
  readonly requestId: string;
  readonly request: Span;
  readonly attempts: Span;
}

/**
 * Rows are written as their requests are known, so that nothing else of these is kept until there are
 * enough for a transaction. They are copied in the order of their ids, so that several writers lock them
 * in the same order.
 */
export class CopyRows {
  readonly #requests = new CopyWriter();
  readonly #attempts = new CopyWriter();
  #places: Place[] = [];

  /** A request may be among them once only. */
  add(state: EndedState): void {
    const requests = this.#requests;
    const attempts = this.#attempts;
    const requestStart = requests.position;
    const attemptsStart = attempts.position;
    writeRequest(requests, state);
    writeAttempts(attempts, state);
    this.#places.push({
      requestId: state.requestId,
      request: { start: requestStart, end: requests.position },
      attempts: { start: attemptsStart, end: attempts.position },
    });
  }

  /** What was added since they were taken last. */
  take(): readonly CopyStatement[] {
    if (this.#places.length === 0) return [];
    const places = this.#places.sort((a, b) => (a.requestId < b.requestId ? -1 : 1));
    this.#places = [];
    const hasAttempts = this.#attempts.position > 0;
    const requests = this.#requests.take(places.map(({ request }) => request));
    const attempts = this.#attempts.take(places.map(({ attempts }) => attempts));
    return [
      { copyInto: REQUESTS, bytes: requests },
      ...(hasAttempts ? [{ copyInto: ATTEMPTS, bytes: attempts }] : []),
    ];
  }
}

/** A row of `requests`, in the order of `REQUEST`. */
function writeRequest(writer: CopyWriter, state: EndedState): void {
  writer.row(REQUEST_FIELDS);
  writer.uuid(state.requestId);
  writer.timestamp(state.deadline);
  writeFacts(writer, state.facts);
  writeFinished(writer, state.finished);
}

/** The rows of `attempts`, in the order of `ATTEMPT`. */
function writeAttempts(writer: CopyWriter, { requestId, attempts }: RequestState): void {
  for (const attempt of attempts) {
    writer.row(ATTEMPT_FIELDS);
    writer.uuid(requestId);
    writeAttempt(writer, attempt);
  }
}

function writeFacts(writer: CopyWriter, facts: FactsColumns): void {
  writer.timestamp(facts.time);
  writer.text(facts.tenant);
  writer.text(facts.key_id);
  writer.text(facts.endpoint);
  writer.text(facts.method);
  writer.text(facts.model);
  writer.boolean(facts.stream);
  writer.text(facts.client_ip);
  writer.text(facts.user_agent);
  writer.text(facts.trace_id);
  writer.text(facts.config_revision);
  writer.text(facts.facts_order);
}

function writeFinished(writer: CopyWriter, finished: FinishedColumns): void {
  writer.timestamp(finished.finished_at);
  writer.integer(finished.status);
  writer.text(finished.ended);
  writer.text(finished.error_code);
  writer.text(finished.provider);
  writer.text(finished.provider_model);
  writer.text(finished.cache);
  writer.double(finished.latency_ms);
  writer.double(finished.time_to_first_token_ms);
  writer.bigint(finished.response_bytes);
  writer.integer(finished.finished_attempts);
  writer.bigint(finished.finished_input_tokens);
  writer.bigint(finished.finished_output_tokens);
  writer.bigint(finished.finished_cached_tokens);
  writer.bigint(finished.finished_reasoning_tokens);
  writer.bigint(finished.saved_tokens);
  writer.boolean(finished.finished_assumed);
  writer.integer(finished.refusals);
  writer.text(finished.finished_order);
}

function writeAttempt(writer: CopyWriter, attempt: AttemptColumns): void {
  writer.integer(attempt.attempt);
  writer.timestamp(attempt.time);
  writer.text(attempt.tenant);
  writer.text(attempt.provider);
  writer.text(attempt.model);
  writer.text(attempt.response_model);
  writer.text(attempt.upstream_request_id);
  writer.integer(attempt.upstream_status);
  writer.text(attempt.error_code);
  writer.texts(attempt.finish_reasons);
  writer.bigint(attempt.input_tokens);
  writer.bigint(attempt.output_tokens);
  writer.bigint(attempt.cached_tokens);
  writer.bigint(attempt.cache_write_tokens);
  writer.bigint(attempt.reasoning_tokens);
  writer.text(attempt.usage_source);
  writer.double(attempt.latency_ms);
  writer.double(attempt.time_to_first_byte_ms);
  writer.boolean(attempt.assumed);
  writer.bigint(attempt.cost_micro_usd);
  writer.date(attempt.price_date);
  writer.text(attempt.attempt_order);
}
