import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Data that waits in one direction of one connection; beyond it nothing more is read. */
const WAITING_BYTES_MAX = 1024 * 1024;
const SLICE_BYTES_DEFAULT = 16 * 1024;

export interface Toxics {
  /** Each piece of data arrives that much later. */
  readonly latencyMs?: number;
  readonly bytesPerSecond?: number;
  /** Nothing passes and no end is told, until the toxic is taken away; then all that waited. */
  readonly blackHole?: boolean;
  /** Data is cut into pieces of that size. */
  readonly sliceBytes?: number;
  /** Both sides are closed after that many bytes since the toxic was set or the connection made. */
  readonly limitBytes?: number;
}

/** The toxics of one direction, and the news of their change. */
export class ToxicSetting {
  #toxics: Toxics = {};
  #changed = Promise.withResolvers<void>();

  get toxics(): Toxics {
    return this.#toxics;
  }

  /** Settles when other toxics are set. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  set(toxics: Toxics): void {
    this.#toxics = { ...toxics };
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

interface Arrival {
  readonly at: number;
  readonly item: Buffer | 'end' | 'close';
}

/** Carries what comes from one socket to another, in order, as the toxics of the moment have it. */
export class ToxicPipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #setting: ToxicSetting;
  readonly #waiting: Arrival[] = [];
  #waitingBytes = 0;
  #isRunning = false;
  #toxicsOfCount: Toxics | undefined;
  #passedBytes = 0;

  constructor(from: Socket, to: Socket, setting: ToxicSetting) {
    this.#from = from;
    this.#to = to;
    this.#setting = setting;
    from.on('data', (chunk: Buffer) => this.#arrive(chunk));
    from.on('end', () => this.#arrive('end'));
    from.on('close', () => this.#arrive('close'));
  }

  #arrive(item: Arrival['item']): void {
    this.#waiting.push({ at: performance.now(), item });
    if (typeof item !== 'string') this.#waitingBytes += item.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.#from.pause();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { at, item } = next;
      const { latencyMs = 0 } = this.#setting.toxics;
      const waitMs = at + latencyMs - performance.now();
      if (latencyMs > 0 && waitMs > 0) await delay(waitMs);
      await this.#openAgain();
      if (item === 'end') {
        this.#to.end();
      } else if (item === 'close') {
        this.#to.destroySoon();
      } else {
        await this.#pass(item);
        this.#waitingBytes -= item.length;
        if (this.#waitingBytes <= WAITING_BYTES_MAX) this.#from.resume();
      }
    }
    this.#isRunning = false;
  }

  async #openAgain(): Promise<void> {
    while (this.#setting.toxics.blackHole) await this.#setting.changed;
  }

  async #pass(chunk: Buffer): Promise<void> {
    let rest = chunk;
    while (rest.length > 0 && !this.#to.destroyed) {
      await this.#openAgain();
      const toxics = this.#setting.toxics;
      const slice = rest.subarray(0, toxics.sliceBytes ?? SLICE_BYTES_DEFAULT);
      rest = rest.subarray(slice.length);
      if (toxics.bytesPerSecond !== undefined) {
        await delay((slice.length / toxics.bytesPerSecond) * 1000);
      }
      // Pieces that are written in one turn of the loop would travel as one.
      if (toxics.sliceBytes !== undefined) await delay(0);
      await this.#write(slice, toxics);
    }
  }

  async #write(slice: Buffer, toxics: Toxics): Promise<void> {
    if (this.#toxicsOfCount !== toxics) {
      this.#toxicsOfCount = toxics;
      this.#passedBytes = 0;
    }
    const room = (toxics.limitBytes ?? Number.POSITIVE_INFINITY) - this.#passedBytes;
    this.#passedBytes += slice.length;
    const isTaken = this.#to.write(slice.subarray(0, Math.max(0, room)));
    if (slice.length > room) {
      this.#to.destroySoon();
      this.#from.destroy();
    } else if (!isTaken) {
      const left = new AbortController();
      const { signal } = left;
      const ends = ['drain', 'close'].map((event) => once(this.#to, event, { signal }));
      await Promise.race(ends).catch(() => undefined);
      left.abort();
      await Promise.allSettled(ends);
    }
  }
}
