/**
 * Whether clients, the ledger and the provider tell the same story. Pure: says what is wrong as a list
 * of sentences, empty where all three agree.
 *
 * - Every answer but 503 `audit_unavailable` has one row with the status and the end that its client
 *   saw, and no row is without a client that got no answer or this one.
 * - Every call that the provider saw is one attempt on the row of its request.
 * - Tokens that are said to come from the provider are what the provider counted.
 */
import type { LedgerEntry } from '@gateway/testing';
import type { LedgerRow } from './audit-rows.ts';
import type { Answer, AnswerEnd } from './client.ts';

export interface LedgerStory {
  readonly answers: readonly Answer[];
  readonly rows: readonly LedgerRow[];
  /** The provider's own account. */
  readonly calls: readonly Readonly<LedgerEntry>[];
  /** Whether attempts may have failed before the provider heard of them. Default false. */
  readonly unheardAttempts?: boolean;
}

/** The ends on a row that go with what a client saw of an answer with status 200. */
const ENDS: Readonly<Record<AnswerEnd, readonly string[]>> = {
  whole: ['complete'],
  'error-event': ['interrupted'],
  cut: ['interrupted', 'abandoned', 'complete'],
  left: ['client_closed', 'complete', 'interrupted', 'abandoned'],
  unreachable: [],
};

export function ledgerProblems(story: LedgerStory): string[] {
  const { answers, rows, calls, unheardAttempts = false } = story;
  const rowsById = Map.groupBy(rows, ({ request_id }) => request_id);
  const callsById = Map.groupBy(calls, (call) => call.headers['x-gateway-request-id'] ?? '');
  const known = new Set(answers.map(({ requestId }) => requestId));
  const withoutId = answers.filter(({ requestId }) => requestId === undefined).length;
  const unknown = rows.filter(({ request_id }) => !known.has(request_id));
  const ghosts = [...callsById].filter(([id]) => !rowsById.has(id));
  return [
    ...answers.flatMap((answer) => answerProblems(answer, rowsById)),
    ...(unknown.length > withoutId
      ? [`${unknown.length} rows of requests that ${withoutId} clients may have made`]
      : []),
    ...ghosts.map(([id, { length }]) => `${length} calls for ${id}, which has no row`),
    ...rows.flatMap((row) => {
      const own = callsById.get(row.request_id) ?? [];
      return [...attemptProblems(row, own.length, unheardAttempts), ...tokenProblems(row, own)];
    }),
  ];
}

function answerProblems(
  { requestId, status, errorCode, end }: Answer,
  rowsById: ReadonlyMap<string, readonly LedgerRow[]>,
): string[] {
  if (requestId === undefined) return [];
  const rows = rowsById.get(requestId) ?? [];
  const mayHaveNone = status === 503 && errorCode === 'audit_unavailable';
  if (rows.length !== 1 && !(rows.length === 0 && mayHaveNone)) {
    return [`${requestId} (${status} ${errorCode ?? end}) has ${rows.length} rows`];
  }
  const [row] = rows;
  if (row === undefined) return [];
  if (row.status === null) return [`${requestId} (${status} ${end}) is not finished`];
  const ends = status === 200 ? ENDS[end] : ['refused', 'failed'];
  const isAbandoned = row.ended === 'abandoned';
  return [
    ...(ends.includes(row.ended ?? '') ? [] : [`${requestId} (${end}) ended ${row.ended}`]),
    ...(row.status === status || isAbandoned
      ? []
      : [`${requestId} was answered ${status} and has status ${row.status}`]),
  ];
}

function attemptProblems(row: LedgerRow, calls: number, unheardAttempts: boolean): string[] {
  const { request_id: id, attempts, attempt_details: details } = row;
  const isTold = unheardAttempts ? details.length >= calls : details.length === calls;
  return [
    ...(isTold ? [] : [`${id} has ${details.length} attempts for ${calls} calls`]),
    ...(attempts === details.length
      ? []
      : [`${id} counts ${attempts} attempts and tells ${details.length}`]),
  ];
}

/** Where every attempt on the row is of the provider's own word, the sums must be its sums. */
function tokenProblems(row: LedgerRow, calls: readonly Readonly<LedgerEntry>[]): string[] {
  const { request_id: id, attempt_details: details } = row;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, next) => total + next, 0);
  const reported = details.filter(({ usage_source }) => usage_source === 'provider');
  if (reported.length === 0 || reported.length < details.length) return [];
  const input = sum(calls.map(({ usage }) => usage?.input ?? 0));
  const output = sum(calls.map(({ usage }) => usage?.output ?? 0));
  const isSame = row.input_tokens === input && row.output_tokens === output;
  const told = `${row.input_tokens} and ${row.output_tokens}`;
  return isSame ? [] : [`${id} has ${told} tokens, the provider counted ${input} and ${output}`];
}
