import { CopyRows, type EndedState } from './copy-rows.ts';
import type { Statement } from './database.ts';
import type { ControlColumns } from './event-columns.ts';
import { mergeStates, type RequestState } from './row.ts';
import { mergeStatements } from './row-statements.ts';

/**
 * The rows of a transaction. What is known whole of a request is most likely in no table yet, and is
 * copied in; where the tables may hold a part of it, rows are merged.
 */
export class GatheredRows {
  readonly #whole = new CopyRows();
  #wholeIds = new Set<string>();
  #parts = new Map<string, RequestState>();
  #changes: ControlColumns[] = [];

  add(state: RequestState): void {
    const { requestId } = state;
    // One that comes a second time is merged with what was copied of it.
    if (saysAll(state) && !this.#wholeIds.has(requestId)) {
      this.#wholeIds.add(requestId);
      this.#whole.add(state);
      return;
    }
    const other = this.#parts.get(requestId);
    this.#parts.set(requestId, other === undefined ? state : mergeStates(other, state));
  }

  addChange(change: ControlColumns): void {
    this.#changes.push(change);
  }

  /**
   * The statements for what was added since they were taken last. They fail with a unique violation
   * where a table holds a row of what is known whole.
   */
  take(): readonly Statement[] {
    const states = [...this.#parts.values()];
    const changes = this.#changes;
    this.#wholeIds = new Set();
    this.#parts = new Map();
    this.#changes = [];
    return [...this.#whole.take(), ...mergeStatements({ states, changes })];
  }
}

/** Every event of a request is here, as far as its end tells. */
function saysAll(state: RequestState): state is EndedState {
  const { finished, deadline, attempts } = state;
  if (finished === null || finished.finished_assumed) return false;
  if (attempts.length < finished.finished_attempts) return false;
  // One that was refused before the limiter has an end alone.
  return deadline !== null || finished.ended === 'refused';
}
