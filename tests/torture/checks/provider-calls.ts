/** Invariants 2 and 3: each provider call was announced before and is on its row, with its tokens. */
import type { AttemptRow, InjectedFault, ProviderCall, RequestRow, Violation } from '../history.ts';
import type { HistoryIndex } from './history-index.ts';

interface Pairing {
  readonly pairs: readonly (readonly [ProviderCall, AttemptRow])[];
  readonly lonelyCalls: readonly ProviderCall[];
  readonly lonelyAttempts: readonly AttemptRow[];
}

/** Signs of belonging together, the surest first: the answer's id, its tokens, its status, the order. */
const SIGNS: readonly ((call: ProviderCall, attempt: AttemptRow) => boolean)[] = [
  ({ answerId }, { upstreamRequestId: id }) =>
    answerId !== undefined && (id?.includes(answerId) ?? false),
  (call, attempt) =>
    isOf(call, attempt.provider, attempt.model) &&
    attempt.usageSource === 'provider' &&
    hasTokensOf(call, attempt),
  (call, attempt) =>
    isOf(call, attempt.provider, attempt.model) && (call.status ?? null) === attempt.upstreamStatus,
  (call, attempt) => isOf(call, attempt.provider, attempt.model),
];

/** Which call is which attempt. A vendor that names no answers leaves it to the other signs. */
export function pairUp(calls: readonly ProviderCall[], attempts: readonly AttemptRow[]): Pairing {
  const pairs: [ProviderCall, AttemptRow][] = [];
  const open = new Set(attempts);
  let lonelyCalls = calls;
  for (const belongs of SIGNS) {
    lonelyCalls = lonelyCalls.filter((call) => {
      const found = [...open].find((attempt) => belongs(call, attempt));
      if (found === undefined) return true;
      open.delete(found);
      pairs.push([call, found]);
      return false;
    });
  }
  return { pairs, lonelyCalls, lonelyAttempts: [...open] };
}

function isOf(call: ProviderCall, provider: string, model: string): boolean {
  return call.vendor === provider && (call.model === model || call.model === '');
}

function hasTokensOf({ usage }: ProviderCall, { inputTokens, outputTokens }: AttemptRow): boolean {
  return inputTokens === usage?.input && outputTokens === usage.output;
}

export interface TokenSums {
  /** Calls whose answer told their usage, and what it was. */
  calls: number;
  tokens: number;
  /** Attempts on the rows with the provider's own count. */
  reported: number;
  reportedTokens: number;
  /** Attempts with an estimate, or of which nothing is known, or that cost nothing. */
  estimated: number;
  /** Estimates for what was sent and never reached the provider. */
  unheard: number;
  unknown: number;
  none: number;
  /** Tokens that the provider told while the attempt on the row is not of its word. */
  missedTokens: number;
}

export interface CallCheck {
  /** By tenant and model, parted by a blank. */
  readonly sums: ReadonlyMap<string, TokenSums>;
  readonly duplicated: number;
  readonly phantom: number;
  readonly lost: number;
  readonly violations: readonly Violation[];
}

export function checkCalls(index: HistoryIndex): CallCheck {
  const sums = new Map<string, TokenSums>();
  const violations: Violation[] = [];
  const counts = { duplicated: 0, phantom: 0, lost: 0 };
  for (const [requestId, calls] of index.callsOfRequest) {
    if (index.rowOf.has(requestId)) continue;
    counts.lost += calls.length;
    violations.push({ invariant: 2, requestId, what: `lost: ${calls.length} calls and no row` });
  }
  for (const row of index.history.rows) {
    const { requestId, nonce } = row;
    const found = checkRow(row, index, sums);
    counts.lost += found.lost;
    counts.phantom += found.phantom;
    counts.duplicated += found.duplicated;
    violations.push(...found.violations.map((violation) => ({ ...violation, requestId, nonce })));
  }
  violations.push(...checkAnnounced(index));
  for (const [name, { tokens, reportedTokens, missedTokens }] of sums) {
    if (tokens === reportedTokens + missedTokens) continue;
    const what = `${name}: the provider counts ${tokens} tokens, the rows ${reportedTokens}`;
    violations.push({ invariant: 3, what });
  }
  return { sums, ...counts, violations };
}

function checkRow(row: RequestRow, index: HistoryIndex, sums: Map<string, TokenSums>) {
  const calls = index.callsOfRequest.get(row.requestId) ?? [];
  const { pairs, lonelyCalls, lonelyAttempts } = pairUp(calls, row.attempts);
  const violations: Violation[] = [];
  const add = (invariant: number, what: string) => violations.push({ invariant, what });
  for (const call of lonelyCalls) add(2, `lost: call ${call.id} is no attempt on the row`);
  const claimed = lonelyAttempts.filter((attempt) => !mayLackCall(attempt, row, index));
  for (const { attempt } of claimed) add(2, `phantom: attempt ${attempt} has no call`);
  const numbers = row.attempts.map(({ attempt }) => attempt).sort((a, b) => a - b);
  const repeated = numbers.length - new Set(numbers).size;
  if (repeated > 0) add(2, `duplicated: the attempts are ${numbers}`);
  // What a dead ingress could not count is not counted in the assumed end.
  const counted = row.attemptCount ?? 0;
  if (counted > numbers.length) add(2, `lost: ${counted} attempts, ${numbers.length} on the row`);
  for (const attempt of lonelyAttempts) count(sumsOf(sums, row, attempt.model), attempt, undefined);
  for (const [call, attempt] of pairs) {
    count(sumsOf(sums, row, call.model), attempt, call);
    for (const what of tokenProblems(call, attempt, row, index)) add(3, what);
  }
  return {
    violations,
    lost: lonelyCalls.length,
    phantom: claimed.length,
    duplicated: repeated,
  };
}

/**
 * A call of which nothing is known, or that was not made, or one that was sent and may have been paid
 * for: its connection broke before an answer, or nothing came through it. Or what the ingress assumes of
 * a worker that took the call and was lost, or lost NATS, before it made it.
 */
function mayLackCall(attempt: AttemptRow, { nonce }: RequestRow, index: HistoryIndex): boolean {
  const { usageSource, upstreamStatus, errorCode, assumed } = attempt;
  if (upstreamStatus !== null) return false;
  if (usageSource !== 'estimated') return ['none', 'unknown'].includes(usageSource);
  if (errorCode === 'provider_unavailable') return true;
  const { sentAt = 0, endedAt = 0 } = index.entryOf.get(nonce) ?? {};
  const isReason = ({ kind, target }: InjectedFault) =>
    kind.endsWith(' of provider') ||
    (assumed && (target === 'nats' || target.startsWith('provider-worker')));
  return index.disturbed(sentAt, endedAt, isReason);
}

function sumsOf(sums: Map<string, TokenSums>, { tenant }: RequestRow, model: string): TokenSums {
  const name = `${tenant} ${model}`;
  const found = sums.get(name);
  if (found !== undefined) return found;
  const none = {
    ...{ calls: 0, tokens: 0, reported: 0, reportedTokens: 0 },
    ...{ estimated: 0, unheard: 0, unknown: 0, none: 0, missedTokens: 0 },
  };
  sums.set(name, none);
  return none;
}

function count(sums: TokenSums, attempt: AttemptRow, call: ProviderCall | undefined): void {
  const told = call?.usage && call.usage.input + call.usage.output;
  if (told !== undefined) {
    sums.calls += 1;
    sums.tokens += told;
  }
  switch (attempt.usageSource) {
    case 'provider':
      sums.reported += 1;
      sums.reportedTokens += attempt.inputTokens + attempt.outputTokens;
      return;
    case 'estimated':
      sums.estimated += 1;
      if (call === undefined) sums.unheard += 1;
      break;
    case 'unknown':
      sums.unknown += 1;
      break;
    default:
      sums.none += 1;
  }
  sums.missedTokens += told ?? 0;
}

function tokenProblems(
  call: ProviderCall,
  attempt: AttemptRow,
  row: RequestRow,
  index: HistoryIndex,
): string[] {
  const { usage } = call;
  if (attempt.usageSource === 'provider') {
    const isSame = hasTokensOf(call, attempt);
    const told = `${usage?.input} and ${usage?.output}`;
    const written = `${attempt.inputTokens} and ${attempt.outputTokens}`;
    return isSame ? [] : [`call ${call.id} told ${told} tokens, the row has ${written}`];
  }
  // The provider told its usage, and the row does not have it: somebody must have died or left.
  if (usage === undefined || call.ended !== 'complete') return [];
  const entry = index.entryOf.get(row.nonce);
  const hasReason =
    entry === undefined ||
    entry.end === 'left' ||
    /malformed|stream-error/.test(entry.directive) ||
    index.disturbed(call.at, Math.max(call.endedAt, entry.endedAt), () => true);
  return hasReason ? [] : [`call ${call.id} told its usage, the row has ${attempt.usageSource}`];
}

/**
 * `received` must have been stored before the provider was called. A nats-server that is killed may
 * take a delivery to its listener with it; then the row has to do, which has the event.
 */
function checkAnnounced(index: HistoryIndex): Violation[] {
  const receivedAt = new Map<string, number>();
  for (const { kind, requestId, at } of index.history.events) {
    if (kind !== 'received') continue;
    receivedAt.set(requestId, Math.min(at, receivedAt.get(requestId) ?? at));
  }
  const wasUnheard = (requestId: string, at: number) =>
    index.rowOf.get(requestId)?.isReceived === true &&
    index.disturbed(at, at, ({ target }) => target === 'nats');
  return [...index.callsOfRequest].flatMap(([requestId, [first]]) => {
    if (first === undefined) return [];
    const at = receivedAt.get(requestId);
    if (at === undefined ? wasUnheard(requestId, first.at) : at <= first.at) return [];
    const late = at === undefined ? 'was never stored' : `came ${at - first.at} ms later`;
    return [{ invariant: 2, requestId, what: `call ${first.id} was made, \`received\` ${late}` }];
  });
}
