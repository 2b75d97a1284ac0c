/**
 * The audit-writer around its pure parts: deliveries are read, folded and merged into a table that
 * outlives the process, then acknowledged. Requests without an end are closed after their grace.
 */
import type { Bus } from '@gateway/bus';
import { openPack } from '@gateway/protocol';
import { closingEvents, openRequest } from '../../services/audit-writer/src/closing-events.ts';
import { readDelivery } from '../../services/audit-writer/src/read-delivery.ts';
import type { RequestState } from '../../services/audit-writer/src/row.ts';
import type { EventLog, LogDelivery } from './event-log.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

export const GRACE_MS = 30_000;
const CLOSE_INTERVAL_MS = 5_000;
const BATCH_MAX = 8;

export type Merge = (left: RequestState, right: RequestState) => RequestState;
export type Table = Map<string, RequestState>;

export interface AuditWriterSetup {
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly log: EventLog;
  readonly bus: Bus;
  readonly table: Table;
  readonly merge: Merge;
  readonly acknowledgesFirst: boolean;
  readonly violated: (what: string) => void;
}

export class AuditWriterProcess {
  readonly #setup: AuditWriterSetup;
  #isBusy = false;

  constructor(setup: AuditWriterSetup) {
    this.#setup = setup;
    this.wake();
    this.#scheduleClosing();
  }

  /** There may be something to read. */
  wake(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#later(20, () => this.#read());
  }

  #read(): void {
    const { log, time, acknowledgesFirst } = this.#setup;
    const batch = log.pull(time.random.integer(1, BATCH_MAX));
    if (batch.length === 0) {
      this.#isBusy = false;
      return;
    }
    // Redelivery comes in any order.
    if (time.random.chance(0.3)) batch.reverse();
    if (acknowledgesFirst) this.#acknowledge(batch);
    this.#later(30, () => {
      this.#commit(batch);
      this.#later(10, () => {
        this.#acknowledge(batch);
        this.#later(10, () => this.#read());
      });
    });
  }

  #commit(batch: readonly LogDelivery[]): void {
    const { table, merge, violated, time } = this.#setup;
    for (const { data, deliveries } of batch) {
      for (const state of statesIn(data, deliveries)) {
        if (state === undefined) {
          violated('an event of ours cannot be stored');
          continue;
        }
        const other = table.get(state.requestId);
        table.set(state.requestId, other === undefined ? state : merge(other, state));
      }
    }
    time.note(`committed ${batch.map(({ sequence }) => sequence).join(' ')}`);
  }

  /** An acknowledgement may be lost; then the event comes again. */
  #acknowledge(batch: readonly LogDelivery[]): void {
    const { log, time } = this.#setup;
    for (const { sequence } of batch) if (!time.random.chance(0.03)) log.acknowledge(sequence);
  }

  #scheduleClosing(): void {
    const { time, process } = this.#setup;
    time.after(CLOSE_INTERVAL_MS * (0.5 + time.random.next()), process, () => {
      void this.#close();
      this.#scheduleClosing();
    });
  }

  async #close(): Promise<void> {
    const { table, bus, time, process, log } = this.#setup;
    const deadlineBefore = time.now + process.skewMs - GRACE_MS;
    for (const state of table.values()) {
      if (state.finished !== null || state.deadline === null) continue;
      if (state.deadline >= deadlineBefore) continue;
      time.note(`closes ${state.requestId}`);
      try {
        for (const event of closingEvents(openRequestOf(state))) await bus.publish(event);
      } catch {
        // The next round tries again.
      }
    }
    if (log.pending > 0) this.wake();
  }

  #later(meanMs: number, run: () => void): void {
    const { time, process } = this.#setup;
    time.after(time.random.next() * 2 * meanMs, process, run);
  }
}

/** What the events of a message say, and undefined for one that would be quarantined. */
export function statesIn(data: Uint8Array, deliveries: number): (RequestState | undefined)[] {
  return openPack(data).map(({ bytes }) => stateIn(bytes, deliveries));
}

function stateIn(data: Uint8Array, deliveries: number): RequestState | undefined {
  const value: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
  const reading = readDelivery({
    ...{ value, bytes: data, deliveries, headers: {} },
    acknowledge: () => undefined,
    retry: () => undefined,
    quarantine: async () => undefined,
  });
  return reading.verdict === 'good' ? reading.entry.state : undefined;
}

/** As the query of the closer gives it out. */
function openRequestOf({ requestId, facts, deadline, attempts }: RequestState) {
  const { time, facts_order: _order, ...rest } = facts;
  return openRequest.parse({
    ...rest,
    request_id: requestId,
    received_at: time,
    deadline_at: deadline ?? time,
    attempts,
  });
}
