/** Invariants 4 and 5: what clients put together is what one call of the provider said. */
import { createHash } from 'node:crypto';
import type { JournalEntry, ProviderCall, Violation } from '../history.ts';
import type { HistoryIndex } from './history-index.ts';

export function textDigest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

export function checkContent(index: HistoryIndex): Violation[] {
  return index.history.journal.flatMap((entry) =>
    problemsOf(entry, index).map(([invariant, what]) => ({
      invariant,
      what,
      nonce: entry.nonce,
      ...(entry.requestId !== undefined && { requestId: entry.requestId }),
    })),
  );
}

type Problem = readonly [invariant: number, what: string];

function problemsOf(entry: JournalEntry, index: HistoryIndex): Problem[] {
  if (entry.end === 'broken' && !index.disturbed(entry.sentAt, entry.endedAt, isAtIngress(entry))) {
    return [[4, 'the answer broke off without an error']];
  }
  if (entry.calls.length > 1) return [[5, `the answer is of the calls ${entry.calls}`]];
  const [number] = entry.calls;
  if (number === undefined) {
    return entry.end === 'complete' || entry.contentLength > 0
      ? [[4, `the answer is of no call and has ${entry.contentLength} characters`]]
      : [];
  }
  const call = index.callOf.get(number);
  if (call === undefined) return [[4, `there is no call ${number}`]];
  return [...textProblems(entry, call), ...originProblems(entry, call, index)];
}

function isAtIngress({ ingress }: JournalEntry) {
  return ({ target }: { readonly target: string }) => target === ingress;
}

function textProblems(entry: JournalEntry, { id, text }: ProviderCall): Problem[] {
  const isLong = entry.contentLength > text.length;
  const isPrefix = textDigest(text.slice(0, entry.contentLength)) === entry.contentDigest;
  if (isLong || !isPrefix) return [[4, `the answer is not what call ${id} said`]];
  const isShort = entry.end === 'complete' && entry.contentLength < text.length;
  const told = `${entry.contentLength} of ${text.length} characters`;
  return isShort ? [[4, `a complete answer has ${told} of call ${id}`]] : [];
}

/** A call is of the request itself, or of an earlier one that may be repeated to this client. */
function originProblems(entry: JournalEntry, call: ProviderCall, index: HistoryIndex): Problem[] {
  if (entry.cache !== 'hit') {
    const isOwn = call.requestId === entry.requestId;
    return isOwn ? [] : [[5, `the answer is of call ${call.id} for ${call.requestId}`]];
  }
  const asked = index.entryOfRequest(call.requestId);
  if (asked?.tenant !== entry.tenant) {
    return [[7, `the stored answer is of the tenant ${asked?.tenant}`]];
  }
  const isSame = entry.repeatedAs !== '' && asked.repeatedAs === entry.repeatedAs;
  const isWhole = call.ended === 'complete';
  if (isSame && isWhole) return [];
  return [
    [4, `the stored answer is of call ${call.id}, ${isSame ? call.ended : 'another prompt'}`],
  ];
}
