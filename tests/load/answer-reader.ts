/**
 * Reads answers of HTTP/1.1 one after the other off a connection, as cheaply as can be: a status, and
 * pieces of a body with a length or in chunks. The driver must not cost more than what it drives.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-6
 */
export interface AnswerEvents {
  /** In lower case. */
  head(text: string): void;
  /** A piece of the body; valid during the call alone. */
  piece(bytes: Buffer): void;
  /** `isLast` when the other side takes no further request on this connection. */
  end(status: number, isLast: boolean): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const HEAD_BYTES_MAX = 64 * 1024;
const LAST_CHUNK_END_BYTES = 2;

type State = 'head' | 'length' | 'chunk-size' | 'chunk' | 'chunk-end' | 'last-chunk-end';

export class AnswerReader {
  readonly #events: AnswerEvents;
  #state: State = 'head';
  #rest: Buffer = Buffer.alloc(0);
  #status = 0;
  #isLast = false;
  /** Bytes that the present state still waits for. */
  #left = 0;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  /** Throws for what is no answer, or has a body of another kind. */
  push(bytes: Buffer): void {
    let input = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    this.#rest = Buffer.alloc(0);
    while (input.length > 0) {
      const taken = this.#take(input);
      if (taken === 0) {
        if (input.length > HEAD_BYTES_MAX) throw new Error('a head or a chunk size has no end');
        this.#rest = Buffer.from(input);
        return;
      }
      input = input.subarray(taken);
    }
  }

  /** Returns how many bytes were used; 0 when more are needed. */
  #take(input: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(input);
      case 'chunk-size':
        return this.#takeChunkSize(input);
      case 'length':
      case 'chunk':
        return this.#takeBody(input);
      case 'chunk-end':
      case 'last-chunk-end':
        return this.#takeLineEnd(input);
    }
  }

  #takeHead(input: Buffer): number {
    const end = input.indexOf(HEAD_END);
    if (end === -1) return 0;
    const head = input.toString('latin1', 0, end).toLowerCase();
    this.#status = Number(head.slice(9, 12));
    if (!head.startsWith('http/1.1 ') || this.#status < 200) throw new Error(`no answer: ${head}`);
    this.#events.head(head);
    this.#isLast = /\r\nconnection: *close/.test(head);
    const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    if (length !== undefined) {
      this.#left = Number(length);
      this.#state = 'length';
      if (this.#left === 0) this.#end();
    } else if (/\r\ntransfer-encoding: *chunked/.test(head)) {
      this.#state = 'chunk-size';
    } else {
      throw new Error(`an answer without a length: ${head}`);
    }
    return end + HEAD_END.length;
  }

  #takeChunkSize(input: Buffer): number {
    const end = input.indexOf(LINE_END);
    if (end === -1) return 0;
    this.#left = Number.parseInt(input.toString('latin1', 0, end), 16);
    if (Number.isNaN(this.#left)) throw new Error('a chunk without a size');
    this.#state = this.#left === 0 ? 'last-chunk-end' : 'chunk';
    return end + LINE_END.length;
  }

  #takeBody(input: Buffer): number {
    const bytes = input.length > this.#left ? input.subarray(0, this.#left) : input;
    this.#left -= bytes.length;
    this.#events.piece(bytes);
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#end();
    }
    return bytes.length;
  }

  #takeLineEnd(input: Buffer): number {
    if (input.length < LAST_CHUNK_END_BYTES) return 0;
    if (this.#state === 'chunk-end') this.#state = 'chunk-size';
    else this.#end();
    return LAST_CHUNK_END_BYTES;
  }

  #end(): void {
    this.#state = 'head';
    this.#events.end(this.#status, this.#isLast);
  }
}
