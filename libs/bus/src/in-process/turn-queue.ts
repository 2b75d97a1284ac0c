/**
 * Hands things over in order, each batch from a turn of the event loop of its own: no side runs inside
 * the other's code, and two that keep each other busy do not keep timers and sockets from running.
 */
export class TurnQueue {
  #tasks: (() => void)[] = [];

  push(task: () => void): void {
    this.#tasks.push(task);
    if (this.#tasks.length === 1) setImmediate(() => this.#run());
  }

  /** Resolves in the next turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.push(resolve));
  }

  #run(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  }
}
