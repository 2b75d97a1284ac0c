/** What is known whole of a request, as rows to copy into the tables. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ATTEMPT, REQUEST } from './columns.ts';
import { CopyWriter } from './copy-writer.ts';
import type { AttemptColumns, FactsColumns, FinishedColumns } from './event-columns.ts';
import type { RequestState } from './row.ts';

/** What is written in one turn of the event loop, which others share: less than a millisecond. */
export const WRITTEN_AT_ONCE = 200;
/** What a row of ours takes; more room is made where it does not do. */
const ROW_BYTES = 768;
const REQUEST_FIELDS = Object.keys(REQUEST).length;
const ATTEMPT_FIELDS = Object.keys(ATTEMPT).length;

export interface EndedState extends RequestState {
  readonly finished: FinishedColumns;
}

/** The rows that `write` makes of each of these. */
export async function copyRows<Source>(
  sources: readonly Source[],
  write: (writer: CopyWriter, source: Source) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new CopyWriter(sources.length * ROW_BYTES);
  for (const [index, source] of sources.entries()) {
    if (index > 0 && index % WRITTEN_AT_ONCE === 0) await nextTurn();
    write(writer, source);
  }
  return writer.end();
}

/** A row of `requests`, in the order of `REQUEST`. */
export function writeRequest(writer: CopyWriter, state: EndedState): void {
  writer.row(REQUEST_FIELDS);
  writer.uuid(state.requestId);
  writer.timestamp(state.deadline);
  writeFacts(writer, state.facts);
  writeFinished(writer, state.finished);
}

/** The rows of `attempts`, in the order of `ATTEMPT`. */
export function writeAttempts(writer: CopyWriter, { requestId, attempts }: RequestState): void {
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
