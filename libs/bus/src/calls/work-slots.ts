import type { RespondOptions } from '../bus.ts';

/** Runs tasks, so many at once; as many again wait; beyond that a task is refused. */
export class WorkSlots {
  readonly #concurrencyMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #idle: (() => void)[] = [];
  #running = 0;

  constructor({ concurrencyMax }: RespondOptions, waitingMax = concurrencyMax) {
    this.#concurrencyMax = concurrencyMax;
    this.#waitingMax = waitingMax;
  }

  get isFull(): boolean {
    return this.#running >= this.#concurrencyMax && this.#waiting.length >= this.#waitingMax;
  }

  /** False when the task was refused. The task must not reject. */
  run(task: () => Promise<void>): boolean {
    if (this.isFull) return false;
    if (this.#running < this.#concurrencyMax) this.#start(task);
    else this.#waiting.push(task);
    return true;
  }

  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #start(task: () => Promise<void>): void {
    this.#running += 1;
    void task().then(this.#finished);
  }

  readonly #finished = (): void => {
    this.#running -= 1;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next);
    else if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
  };
}
