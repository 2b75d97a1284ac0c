import type { History, InjectedFault, JournalEntry, ProviderCall, RequestRow } from '../history.ts';

/** Detection by ping, redelivery and restart take a few seconds after the fault itself. */
const AFTERMATH_MS = 10_000;

/** A history with the ways through it that every check needs. */
export class HistoryIndex {
  readonly history: History;
  readonly entryOf: ReadonlyMap<string, JournalEntry>;
  readonly rowsOfNonce: ReadonlyMap<string, readonly RequestRow[]>;
  readonly rowOf: ReadonlyMap<string, RequestRow>;
  /** In the order in which they were made. */
  readonly callsOfRequest: ReadonlyMap<string, readonly ProviderCall[]>;
  readonly callOf: ReadonlyMap<number, ProviderCall>;

  constructor(history: History) {
    this.history = history;
    this.entryOf = new Map(history.journal.map((entry) => [entry.nonce, entry]));
    this.rowsOfNonce = Map.groupBy(history.rows, ({ nonce }) => nonce);
    this.rowOf = new Map(history.rows.map((row) => [row.requestId, row]));
    const calls = history.calls.toSorted((left, right) => left.at - right.at || left.id - right.id);
    this.callsOfRequest = Map.groupBy(calls, ({ requestId }) => requestId);
    this.callOf = new Map(calls.map((call) => [call.id, call]));
  }

  /** The journal's entry of a request id, by way of its row. */
  entryOfRequest(requestId: string): JournalEntry | undefined {
    return this.entryOf.get(this.rowOf.get(requestId)?.nonce ?? '');
  }

  /** Whether a fault that the predicate accepts was at work in the time or shortly before it. */
  disturbed(from: number, to: number, isMeant: (fault: InjectedFault) => boolean): boolean {
    return this.history.faults.some(
      (fault) => fault.startedAt <= to && fault.endedAt + AFTERMATH_MS >= from && isMeant(fault),
    );
  }
}

export function isKillOf(prefix: string): (fault: InjectedFault) => boolean {
  return ({ target, kind }) => kind === 'kill' && target.startsWith(prefix);
}
