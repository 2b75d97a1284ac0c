/** One client and its connection, as the ingress sees it: a response to be written. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { GAP_MS, type SimulatedProcess, type VirtualTime } from './virtual-time.ts';

/** How an answer ended for the client; `open` while it has not. */
export type ClientEnd = 'open' | 'whole' | 'broken' | 'left';

const LATENCY_MAX_MS = 5;
/** Bytes that wait for a slow client before it has to be waited for. */
const BUFFER_BYTES = 200;

interface ClientHabits {
  /** Milliseconds from the request until the client leaves. */
  readonly leavesAfterMs: number | undefined;
  /** How long it takes for each write. */
  readonly slownessMs: number;
}

export class ClientConnection extends EventEmitter {
  readonly #time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly #slownessMs: number;
  readonly #received: Uint8Array[] = [];
  #arrivesAt = 0;
  #waitingBytes = 0;
  #hasEnded = false;
  #isClosed = false;
  status: number | undefined;
  headers: readonly string[] = [];
  end_: ClientEnd = 'open';
  /** When the answer ended for the client. */
  endedAt = 0;
  destroyed = false;
  writableFinished = false;
  readonly socket = {
    setTimeout: () => undefined,
    writableCorked: 0,
    cork: () => undefined,
    uncork: () => undefined,
  };

  constructor(time: VirtualTime, process: SimulatedProcess, habits: ClientHabits) {
    super();
    this.#time = time;
    this.process = process;
    this.#slownessMs = habits.slownessMs;
    if (habits.leavesAfterMs !== undefined) {
      time.after(habits.leavesAfterMs, undefined, () => this.#leave());
    }
  }

  get response(): ServerResponse {
    return this as unknown as ServerResponse;
  }

  get text(): string {
    return Buffer.concat(this.#received).toString('utf8');
  }

  get writableNeedDrain(): boolean {
    return this.#waitingBytes > BUFFER_BYTES;
  }

  writeHead(status: number, headers: readonly string[]): this {
    this.#send(() => {
      this.status = status;
      this.headers = headers;
    });
    return this;
  }

  flushHeaders(): void {}

  write(bytes: Uint8Array | string, written?: () => void): boolean {
    return this.#write(Buffer.from(bytes as Uint8Array), written);
  }

  #write(data: Buffer, written?: () => void): boolean {
    this.#waitingBytes += data.length;
    this.#send(() => {
      this.#received.push(data);
      this.#time.after(0, this.process, () => {
        const wasFull = this.writableNeedDrain;
        this.#waitingBytes -= data.length;
        written?.();
        if (wasFull && !this.writableNeedDrain) this.emit('drain');
      });
    });
    return !this.writableNeedDrain;
  }

  end(bytes: Uint8Array | string = '', encoding?: BufferEncoding): this {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, encoding) : Buffer.from(bytes);
    if (data.length > 0) this.#write(data);
    this.#hasEnded = true;
    this.#send(() => {
      this.end_ = 'whole';
      this.#time.after(0, this.process, () => {
        this.writableFinished = true;
        this.#close();
      });
    });
    return this;
  }

  destroy(): this {
    this.destroyed = true;
    this.#send(() => {
      this.end_ = 'broken';
    });
    this.#time.after(0, this.process, () => this.#close());
    return this;
  }

  /** The process at the other end is gone. */
  processDied(): void {
    this.#send(() => {
      this.end_ = 'broken';
    });
  }

  #leave(): void {
    if (this.end_ !== 'open') return;
    this.end_ = 'left';
    this.#time.note('client left');
    this.#time.after(this.#time.random.next() * LATENCY_MAX_MS, this.process, () => {
      if (!this.#hasEnded) this.destroyed = true;
      this.#close();
    });
  }

  /** Runs at the client, after what was sent before. */
  #send(arrive: () => void): void {
    const { now, random } = this.#time;
    const delayMs = random.next() * LATENCY_MAX_MS + this.#slownessMs;
    this.#arrivesAt = Math.max(this.#arrivesAt + GAP_MS, now + delayMs);
    this.#time.at(this.#arrivesAt, undefined, () => {
      if (this.end_ !== 'open') return;
      arrive();
      this.endedAt = this.#time.now;
    });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.emit('close');
  }
}

export interface ReadAnswer {
  readonly content: string;
  readonly isComplete: boolean;
  readonly error: string | undefined;
}

/** What the client makes of the bytes of a stream, or of a whole answer. */
export function readAnswer(text: string, isStream: boolean): ReadAnswer {
  if (!isStream) {
    const body = JSON.parse(text);
    const content = body.choices?.[0]?.message.content ?? '';
    return { content, isComplete: body.error === undefined, error: body.error?.code };
  }
  let content = '';
  let isComplete = false;
  let error: string | undefined;
  for (const line of text.split('\n')) {
    if (!line.startsWith('data: ')) continue;
    const data = line.slice('data: '.length);
    if (data === '[DONE]') {
      isComplete = true;
      continue;
    }
    const chunk = parsed(data);
    if (chunk === undefined) continue;
    if (chunk.error !== undefined) error = String(chunk.error.code ?? chunk.error.type);
    content += chunk.choices?.[0]?.delta?.content ?? '';
  }
  return { content, isComplete, error };
}

interface Chunk {
  readonly error?: { readonly code?: string; readonly type?: string };
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
}

/** A line that the end of the connection has cut is no event. */
function parsed(data: string): Chunk | undefined {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
