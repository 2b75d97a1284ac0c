/** Something that goes on in the next turn. One object for it is cheaper than a closure for each turn. */
export interface TurnTask {
  inTurn(): void;
}

/**
 * Hands things over in order, each batch from a turn of the event loop of its own: no side runs inside
 * the other's code, and two that keep each other busy do not keep timers and sockets from running.
 */
export class TurnQueue {
  #tasks: TurnTask[] = [];

  push(task: TurnTask): void {
    if (this.#tasks.push(task) === 1) setImmediate(this.#run);
  }

  /** Resolves in the next turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.push({ inTurn: resolve }));
  }

  readonly #run = (): void => {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task.inTurn();
  };
}
