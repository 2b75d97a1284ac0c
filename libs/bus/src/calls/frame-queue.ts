/** Frames between the machine that receives them and the one consumer that iterates over them. */
export class FrameQueue<Item> implements AsyncIterator<Item> {
  readonly #items: Item[] = [];
  readonly #waiting: ((result: IteratorResult<Item>) => void)[] = [];
  readonly #finishedWith: (item: Item) => void;
  readonly #abandoned: () => void;
  #last: Item | undefined;
  #ended = false;

  /**
   * `finishedWith` is called for an item when the consumer asks for the next one, and for the last
   * item as soon as it is handed out. `abandoned` is called when the consumer stops before the end.
   */
  constructor(finishedWith: (item: Item) => void, abandoned: () => void) {
    this.#finishedWith = finishedWith;
    this.#abandoned = abandoned;
  }

  push(item: Item): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#items.push(item);
      return;
    }
    this.#last = item;
    waiting({ done: false, value: item });
  }

  /** Nothing follows. What was pushed before is still handed out. */
  end(): void {
    this.#ended = true;
    if (this.#items.length === 0) this.#finish();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Item>> {
    this.#finish();
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#last = item;
      if (this.#ended && this.#items.length === 0) this.#finish();
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<Item>> {
    this.#items.length = 0;
    this.#last = undefined;
    this.#abandoned();
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  #finish(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined) this.#finishedWith(last);
  }
}
