import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ledger, LedgerEntry } from './ledger.ts';

/** The client left or the exchange was cut: nothing more is to be done. */
export class ExchangeOverError extends Error {
  override readonly name = 'ExchangeOverError';
}

/** One HTTP exchange with its entry in the ledger: writes with backpressure and knows its end. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly entry: LedgerEntry;
  sliceBytes: number | undefined;
  readonly #response: ServerResponse;
  readonly #over = new AbortController();
  #isCut = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    ledger: Ledger,
    entry: LedgerEntry,
  ) {
    this.request = request;
    this.entry = entry;
    this.#response = response;
    response.once('close', () => {
      const complete = response.writableFinished;
      ledger.close(entry, this.#isCut ? 'cut' : complete ? 'complete' : 'aborted-by-client');
      this.#over.abort(new ExchangeOverError());
    });
  }

  /** Sends status and headers at once, before there is a body. */
  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.entry.status = status;
    this.#response.writeHead(status, { ...headers });
    this.#response.flushHeaders();
  }

  /** Writes when the client takes it. Rejects with `ExchangeOverError` when it left. */
  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    const sliceBytes = this.sliceBytes ?? bytes.length;
    for (let start = 0; start < bytes.length; start += sliceBytes) {
      const slice = bytes.subarray(start, start + sliceBytes);
      this.#over.signal.throwIfAborted();
      this.entry.bytes += slice.length;
      this.entry.lastWriteTime = new Date().toISOString();
      const isTaken = this.#response.write(slice);
      if (!isTaken) await this.#abortable(once(this.#response, 'drain', this.#signal()));
      // Pieces that are written in one turn of the loop would travel as one.
      if (this.sliceBytes !== undefined) await this.pause(0);
    }
  }

  end(): void {
    this.#response.end();
  }

  async pause(durationMs: number): Promise<void> {
    await this.#abortable(delay(durationMs, undefined, this.#signal()));
  }

  /** Never comes back but when the client leaves. */
  async hang(): Promise<never> {
    this.#over.signal.throwIfAborted();
    await this.#abortable(once(this.#over.signal, 'abort'));
    throw new ExchangeOverError();
  }

  /** Resets the connection. */
  async cut(): Promise<never> {
    this.#isCut = true;
    // What was written must leave first, or the client would see less than was said here.
    await this.pause(0);
    this.#response.destroy();
    throw new ExchangeOverError();
  }

  #signal() {
    return { signal: this.#over.signal };
  }

  async #abortable(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (this.#over.signal.aborted) throw new ExchangeOverError();
      throw error;
    }
  }
}
