/** Invariant 6: limits hold in every window, and slots are given back. */
import type { JournalEntry, KeyLimits, Violation } from '../history.ts';
import type { HistoryIndex } from './history-index.ts';

interface Span {
  readonly from: number;
  readonly to: number;
}

export function checkLimits(index: HistoryIndex): Violation[] {
  const byKey = Map.groupBy(index.history.journal, ({ keyId }) => keyId);
  const violations = index.history.keys.flatMap((key) => {
    const entries = byKey.get(key.keyId) ?? [];
    return [...checkWindows(key, entries, index), ...checkConcurrency(key, entries, index)];
  });
  const { takenSlots } = index.history.quiet;
  if (takenSlots > 0)
    violations.push({ invariant: 6, what: `${takenSlots} slots are still taken` });
  return violations;
}

function checkWindows(
  { keyId, requests }: KeyLimits,
  entries: readonly JournalEntry[],
  index: HistoryIndex,
): Violation[] {
  if (requests === undefined) return [];
  const admissions = entries.flatMap((entry) => admissionOf(entry, index) ?? []);
  const most = mostWithin(admissions, requests.windowMs);
  if (most <= requests.amount) return [];
  const told = `${most} requests in ${requests.windowMs} ms, ${requests.amount} are allowed`;
  return [{ invariant: 6, what: `key ${keyId}: ${told}` }];
}

/** In which time a request was admitted for certain; undefined when it may have been refused. */
function admissionOf(entry: JournalEntry, index: HistoryIndex): Span | undefined {
  const [row] = index.rowsOfNonce.get(entry.nonce) ?? [];
  const [call] = index.callsOfRequest.get(row?.requestId ?? '') ?? [];
  if (call !== undefined) return { from: entry.sentAt, to: call.at };
  return entry.status === 200 ? { from: entry.sentAt, to: entry.endedAt } : undefined;
}

/** The most spans that lie wholly within one window: fewer than were admitted in it, never more. */
export function mostWithin(spans: readonly Span[], windowMs: number): number {
  const ordered = spans.toSorted((left, right) => left.from - right.from);
  let most = 0;
  for (const [first, { from }] of ordered.entries()) {
    let count = 0;
    for (let next = first; next < ordered.length; next += 1) {
      const span = ordered[next];
      if (span === undefined || span.from >= from + windowMs) break;
      if (span.to < from + windowMs) count += 1;
    }
    most = Math.max(most, count);
  }
  return most;
}

function checkConcurrency(
  { keyId, concurrency }: KeyLimits,
  entries: readonly JournalEntry[],
  index: HistoryIndex,
): Violation[] {
  if (concurrency === undefined) return [];
  const most = mostAtOnce(entries.flatMap((entry) => heldBy(entry, index) ?? []));
  if (most <= concurrency) return [];
  return [{ invariant: 6, what: `key ${keyId}: ${most} requests at once, ${concurrency} allowed` }];
}

/**
 * In which time a request held its slot for certain: from its first call to the last byte of the
 * call that answered it, or only at the first call when it was not answered whole.
 */
function heldBy(entry: JournalEntry, index: HistoryIndex): Span | undefined {
  const [row] = index.rowsOfNonce.get(entry.nonce) ?? [];
  const calls = index.callsOfRequest.get(row?.requestId ?? '') ?? [];
  const [first] = calls;
  if (first === undefined) return undefined;
  const last = calls.at(-1);
  const isWhole = entry.end === 'complete' && last?.ended === 'complete';
  return { from: first.at, to: isWhole ? (last.lastWriteAt ?? first.at) : first.at };
}

/** The most spans that overlap; one that begins when another ends does not. */
export function mostAtOnce(spans: readonly Span[]): number {
  const changes = spans
    .filter(({ from, to }) => to > from)
    .flatMap(({ from, to }) => [
      { at: from, by: 1 },
      { at: to, by: -1 },
    ])
    .sort((left, right) => left.at - right.at || left.by - right.by);
  let now = 0;
  let most = 0;
  for (const { by } of changes) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}
