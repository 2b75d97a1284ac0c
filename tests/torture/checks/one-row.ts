/** Invariant 1: a row for each request that was answered, and no other. */
import type { JournalEntry, RequestRow, Violation } from '../history.ts';
import { type HistoryIndex, isKillOf } from './history-index.ts';

export type Verdict = 'ok' | 'lost' | 'duplicated' | 'phantom' | 'unknown';

/** The end of a request is recorded right after its answer; an ingress may be killed in between. */
const RECORDED_WITHIN_MS = 1_000;

/** An answer that says that nothing could be written down; not every dialect has room for a code. */
export function saysUnrecorded({ status, errorCode, errorMessage }: JournalEntry): boolean {
  if (status !== 503) return false;
  return errorCode === 'audit_unavailable' || /\brecorded\b/.test(errorMessage ?? '');
}

/** What became of one request, by how many rows it has. */
export function verdictOf(entry: JournalEntry, index: HistoryIndex): Verdict {
  const rows = index.rowsOfNonce.get(entry.nonce) ?? [];
  if (rows.length > 1) return 'duplicated';
  if (rows.length === 1) return 'ok';
  const wasPaidFor = index.callsOfRequest.has(entry.requestId ?? '');
  if (wasPaidFor) return 'lost';
  if (saysUnrecorded(entry)) return 'ok';
  return entry.status === undefined ? 'unknown' : 'lost';
}

export interface RowCheck {
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly violations: readonly Violation[];
}

export function checkRows(index: HistoryIndex): RowCheck {
  const verdicts = { ok: 0, lost: 0, duplicated: 0, phantom: 0, unknown: 0 };
  const violations: Violation[] = [];
  for (const entry of index.history.journal) {
    const verdict = verdictOf(entry, index);
    verdicts[verdict] += 1;
    const rows = index.rowsOfNonce.get(entry.nonce) ?? [];
    const about = {
      invariant: 1,
      nonce: entry.nonce,
      ...(entry.requestId !== undefined && { requestId: entry.requestId }),
    };
    if (verdict === 'lost' || verdict === 'duplicated') {
      violations.push({ ...about, what: `${verdict}: ${rows.length} rows` });
    }
    if (/^The gateway failed/.test(entry.errorMessage ?? '')) {
      violations.push({ ...about, what: `the gateway says that it failed, with ${entry.status}` });
    }
    if (entry.endedAt - entry.sentAt >= index.history.deadlineMs) {
      violations.push({ ...about, what: 'only its deadline ended the request' });
    }
    if (entry.end === 'silent') {
      violations.push({ ...about, what: 'the client got no answer in any time' });
    }
    for (const row of rows) {
      const problems = problemsOf(entry, row, index);
      violations.push(...problems.map((what) => ({ ...about, requestId: row.requestId, what })));
    }
  }
  for (const row of index.history.rows) {
    if (index.entryOf.has(row.nonce)) continue;
    verdicts.phantom += 1;
    const { requestId, nonce } = row;
    violations.push({ invariant: 1, requestId, nonce, what: 'phantom: a row without a request' });
  }
  return { verdicts, violations };
}

/** Where what the row says is not what the client saw. */
function problemsOf(entry: JournalEntry, row: RequestRow, index: HistoryIndex): string[] {
  const problems: string[] = [];
  if (entry.requestId !== undefined && entry.requestId !== row.requestId) {
    problems.push(`the client was told another id, ${entry.requestId}`);
  }
  if (row.keyId !== entry.keyId) problems.push(`the row is of the key ${row.keyId}`);
  if (row.status === null || row.ended === null) return [...problems, 'the row has no end'];
  if (row.finishedAssumed) {
    const { sentAt, endedAt } = entry;
    const recordedAt = endedAt + RECORDED_WITHIN_MS;
    const wasKilled = index.disturbed(sentAt, recordedAt, isKillOf(entry.ingress));
    return wasKilled ? problems : [...problems, 'the end is assumed, and no ingress was killed'];
  }
  if (saysUnrecorded(entry)) return problems;
  const said = `${row.ended} with ${row.status}`;
  const saw = `${entry.end} with ${entry.status}`;
  return endsAgree(entry, row) ? problems : [...problems, `the row says ${said}, not ${saw}`];
}

/** Ends on the row that fit each end of a client. A client that left may have left too late. */
const FITTING_ENDS: Readonly<Record<JournalEntry['end'], readonly string[]>> = {
  complete: ['complete'],
  refused: ['refused', 'failed'],
  interrupted: ['interrupted'],
  broken: ['interrupted', 'client_closed', 'complete', 'failed'],
  unreachable: ['client_closed', 'interrupted', 'refused', 'failed', 'complete'],
  left: ['client_closed', 'complete', 'interrupted', 'refused', 'failed'],
  silent: ['client_closed'],
};

function endsAgree(entry: JournalEntry, row: RequestRow): boolean {
  const sawStatus = entry.status !== undefined && entry.end !== 'left';
  if (sawStatus && entry.status !== row.status) return false;
  return FITTING_ENDS[entry.end].includes(row.ended ?? '');
}
