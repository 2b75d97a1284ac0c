interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers what is asked in one turn of the event loop and asks it in one call, or in several of at
 * most `itemsMax`: what a call costs is shared by all that one read of a socket brought.
 */
export class TurnBatch<Item, Result> {
  readonly #itemsMax: number;
  readonly #askAll: (items: readonly Item[]) => Promise<readonly Result[]>;
  #waiting: Waiting<Item, Result>[] = [];
  readonly #send = () => this.#sendWaiting();

  /** `askAll` gives a result for each item, in their order; what it throws, all of them throw. */
  constructor(itemsMax: number, askAll: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#itemsMax = itemsMax;
    this.#askAll = askAll;
  }

  ask(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      const count = this.#waiting.push({ item, resolve, reject });
      // After all promises that the turn has settled, before the next turn.
      if (count === 1) process.nextTick(this.#send);
      if (count === this.#itemsMax) this.#sendWaiting();
    });
  }

  #sendWaiting(): void {
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    this.#askAll(batch.map(({ item }) => item)).then(
      (results) => {
        for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
      },
    );
  }
}
