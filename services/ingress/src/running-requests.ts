/** Work that goes on after the framework thinks it is done; disposal waits for all of it. */
export class RunningRequests implements AsyncDisposable {
  readonly #running = new Set<Promise<void>>();

  /** Runs the work, which must not reject. */
  async run(work: () => Promise<void>): Promise<void> {
    const running = work().finally(() => this.#running.delete(running));
    this.#running.add(running);
    await running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
