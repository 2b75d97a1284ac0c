import { joinBytes } from './join-bytes.ts';

/**
 * Takes bytes of an answer. A promise lets the provider wait until it is resolved; what it rejects
 * with, or what is thrown, ends the call.
 */
export type TakeBytes = (bytes: Uint8Array) => Promise<void> | undefined;

/** A microtask without the resource that `queueMicrotask` makes to follow each of them. */
const NOW = Promise.resolve();

/** Where the bytes come from. */
export interface BodySource {
  /** What was held has been taken: more may come. */
  resume(): void;
  /** The reader has everything that came, and waits for more. */
  waiting(): void;
  /** The reader wants no more. */
  abandon(): void;
}

/**
 * The bytes of one answer between the provider that sends them and the reader that takes them. A
 * reader that keeps up gets them without a promise; what comes in one turn of the event loop goes
 * to it in one piece.
 */
export class AnswerBody {
  readonly #source: BodySource;
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  #isEnded = false;
  #failure: Error | undefined;
  #take: TakeBytes | undefined;
  #reading: PromiseWithResolvers<void> | undefined;
  /** The reader has not taken the last piece yet. */
  #isBusy = false;
  #isWoken = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** No more comes. The reader still gets what has come, and then the error. */
  fail(error: Error): void {
    this.#failure = error;
    this.#wake();
  }

  /** The reader gets the error now, whatever has come and even while it takes. */
  cutOff(error: Error): void {
    this.#failure = error;
    this.#pieces = [];
    this.#take = undefined;
    this.#reading?.reject(error);
  }

  /** All of an answer that has come to its end before anybody read it; undefined for any other. */
  takeWhole(): Uint8Array | undefined {
    if (!this.#isEnded || this.#failure !== undefined) return undefined;
    const bytes = joinBytes(this.#pieces);
    this.#pieces = [];
    this.#heldBytes = 0;
    this.#source.resume();
    return bytes;
  }

  /**
   * Read once. Resolves at the end; rejects with what broke the answer off or what `take` ended it
   * with.
   */
  read(take: TakeBytes): Promise<void> {
    this.#reading = Promise.withResolvers();
    this.#take = take;
    this.#pass();
    return this.#reading.promise;
  }

  /** For a reader that has enough. */
  stop(): void {
    this.#leave();
    this.#reading?.resolve();
  }

  #wake(): void {
    if (this.#take === undefined || this.#isBusy || this.#isWoken) return;
    this.#isWoken = true;
    NOW.then(this.#pass);
  }

  readonly #pass = () => {
    this.#isWoken = false;
    while (this.#take !== undefined && !this.#isBusy) {
      if (this.#pieces.length === 0) {
        this.#tellEnd();
        return;
      }
      const bytes = joinBytes(this.#pieces);
      this.#pieces = [];
      this.#heldBytes = 0;
      this.#source.resume();
      try {
        const taking = this.#take(bytes);
        if (taking === undefined) continue;
        this.#isBusy = true;
        taking.then(this.#taken, this.#refused);
      } catch (thrown) {
        this.#refused(thrown);
      }
    }
  };

  #tellEnd(): void {
    if (this.#failure !== undefined) this.#reading?.reject(this.#failure);
    else if (this.#isEnded) this.#reading?.resolve();
    else this.#source.waiting();
  }

  readonly #taken = () => {
    this.#isBusy = false;
    this.#pass();
  };

  readonly #refused = (thrown: unknown) => {
    this.#leave();
    this.#reading?.reject(thrown);
  };

  #leave(): void {
    this.#take = undefined;
    this.#pieces = [];
    if (!this.#isEnded && this.#failure === undefined) this.#source.abandon();
  }
}
