/** Work that goes on after the framework thinks it is done; disposal waits for all of it. */
export class RunningRequests implements AsyncDisposable {
  #running = 0;
  #allEnded: (() => void) | undefined;

  /** Counts one that runs until `end`. */
  begin(): void {
    this.#running += 1;
  }

  end(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#allEnded?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#allEnded = resolve;
      });
    }
  }
}
