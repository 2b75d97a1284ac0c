/**
 * Time that goes from one event to the next. Every event belongs to a process, whose death drops it and
 * whose pause holds it back. While one runs, `Date.now`, timers and `Math.random` are those of the
 * simulation, so product code runs as it is; no two events are ever under way at once.
 */
import { createHash } from 'node:crypto';
import { type Random, seededRandom } from '../torture/seeded-random.ts';

/** Where a simulated day begins, in milliseconds since 1970. */
export const START_MS = 1_800_000_000_000;

/** Between two events that keep their order: doubles of this size have a resolution of 1/4096. */
export const GAP_MS = 1 / 256;

/** A living process of the simulation. A restart makes another one. */
export interface SimulatedProcess {
  readonly name: string;
  /** What its clock is ahead of the true one. */
  readonly skewMs: number;
  isAlive: boolean;
  isPaused: boolean;
}

interface QueuedEvent {
  at: number;
  readonly order: number;
  readonly process: SimulatedProcess | undefined;
  readonly run: () => void;
  isCalledOff: boolean;
}

/** Turns of the real event loop: when one comes, no promise has anything left to do. */
const nextTurn = setImmediate;

export class VirtualTime {
  readonly random: Random;
  readonly #trace = createHash('sha256');
  readonly #keepsTrace: boolean;
  readonly lines: string[] = [];
  #queue: QueuedEvent[] = [];
  #held: QueuedEvent[] = [];
  #now = START_MS;
  #current: SimulatedProcess | undefined;
  #events = 0;

  constructor(seed: number, keepsTrace: boolean) {
    this.random = seededRandom('simulation', seed);
    this.#keepsTrace = keepsTrace;
  }

  /** Milliseconds since 1970, with fractions. */
  get now(): number {
    return this.#now;
  }

  /** As the process that runs now reads its clock. */
  get processNow(): number {
    return Math.floor(this.#now + (this.#current?.skewMs ?? 0));
  }

  get current(): SimulatedProcess | undefined {
    return this.#current;
  }

  get traceDigest(): string {
    return this.#trace.copy().digest('hex');
  }

  note(text: string): void {
    const line = `${(this.#now - START_MS).toFixed(1)} ${this.#current?.name ?? '-'} ${text}`;
    this.#trace.update(line);
    if (this.#keepsTrace) this.lines.push(line);
  }

  /** Runs the event after the delay unless it is called off or its process has died. */
  after(
    delayMs: number,
    process: SimulatedProcess | undefined,
    run: () => void,
  ): { callOff(): void } {
    return this.at(this.#now + Math.max(0, delayMs), process, run);
  }

  at(at: number, process: SimulatedProcess | undefined, run: () => void): { callOff(): void } {
    const event = { at, order: this.random.next(), process, run, isCalledOff: false };
    this.#insert(event);
    return {
      callOff: () => {
        event.isCalledOff = true;
      },
    };
  }

  /** Runs code of a process outside of any event of its own, for example its start. */
  within(process: SimulatedProcess | undefined, run: () => void): void {
    const outer = this.#current;
    this.#current = process;
    try {
      run();
    } finally {
      this.#current = outer;
    }
  }

  resume(process: SimulatedProcess): void {
    process.isPaused = false;
    const held = this.#held.filter((event) => event.process === process);
    this.#held = this.#held.filter((event) => event.process !== process);
    for (const [index, event] of held.entries()) {
      event.at = this.#now + (index + 1) * GAP_MS;
      this.#insert(event);
    }
  }

  /** Runs all that is due until then. */
  async runUntil(end: number): Promise<void> {
    for (;;) {
      const event = this.#queue[0];
      if (event === undefined || event.at > end) break;
      this.#remove();
      const { process } = event;
      if (event.isCalledOff || process?.isAlive === false) continue;
      if (process?.isPaused) {
        this.#held.push(event);
        continue;
      }
      this.#now = Math.max(this.#now, event.at);
      this.#current = process;
      this.#events += 1;
      event.run();
      await new Promise((resolve) => nextTurn(resolve));
      this.#current = undefined;
    }
    this.#now = end;
  }

  get events(): number {
    return this.#events;
  }

  /** A binary heap; at the same time the seed says which event comes first. */
  #insert(event: QueuedEvent): void {
    const queue = this.#queue;
    let index = queue.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, queue[parent] as QueuedEvent)) break;
      queue[index] = queue[parent] as QueuedEvent;
      index = parent;
    }
    queue[index] = event;
  }

  #remove(): void {
    const queue = this.#queue;
    const last = queue.pop() as QueuedEvent;
    if (queue.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= queue.length) break;
      const right = queue[child + 1];
      if (right !== undefined && isBefore(right, queue[child] as QueuedEvent)) child += 1;
      if (!isBefore(queue[child] as QueuedEvent, last)) break;
      queue[index] = queue[child] as QueuedEvent;
      index = child;
    }
    queue[index] = last;
  }
}

function isBefore(one: QueuedEvent, other: QueuedEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
