/**
 * The end of a turn of the event loop, for all that goes over one connection: first what gathered in the
 * turn is made into messages, then all messages are written. Both in one turn, so that what is made at
 * its end is neither late nor a write of its own.
 */
export class TurnEnd {
  #tasks: (() => void)[] = [];
  #write: (() => void) | undefined;
  #isScheduled = false;

  push(task: () => void): void {
    this.#tasks.push(task);
    this.#schedule();
  }

  /** Runs the tasks at once. */
  run(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  }

  /** Writes after the tasks of this turn. One connection has one write a turn, the last one set. */
  writeOnce(write: () => void): void {
    this.#write = write;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#runTasks);
    // Between the two, promises that the tasks have settled hand on what they publish.
    setImmediate(this.#end);
  }

  readonly #runTasks = (): void => this.run();

  readonly #end = (): void => {
    this.#isScheduled = false;
    const write = this.#write;
    this.#write = undefined;
    write?.();
    if (this.#tasks.length > 0) this.#schedule();
  };
}
