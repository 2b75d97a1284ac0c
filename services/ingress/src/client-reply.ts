/**
 * The answer to one client: a whole body, or a stream that begins, goes on and ends. It knows what was
 * sent and whether the client is still there; writing to a client that left does nothing.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '@gateway/protocol';
import { type Due, DueList } from '@gateway/runtime';
import { errorHeaders } from './error-reply.ts';
import type { ErrorStyle } from './error-style.ts';

/** A stream that is silent for so long gets a comment, so that proxies keep the connection. */
const HEARTBEAT_MS = 15_000;
/** A client that takes not one byte of what waits for it for so long is cut off. */
const STALL_TIMEOUT_MS = 60_000;
const HEARTBEAT = ': keepalive\n\n';
/** How late a heartbeat or a cut may be: thousands of silent streams are looked through at each. */
const LATE_MS_MAX = 50;
/** A body up to this leaves in one piece with its head, and copying it is cheaper than a second piece. */
const ONE_PIECE_BYTES_MAX = 16 * 1024;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Names and values by turns. */
export type ReplyHeaders = readonly string[];

export interface ClientReplyTimes {
  readonly heartbeatMs?: number;
  readonly stallTimeoutMs?: number;
}

const replies = new DueList(LATE_MS_MAX);

export class ClientReply implements Due {
  duePlace = -1;
  readonly #response: ServerResponse;
  readonly #errors: ErrorStyle;
  readonly #heartbeatMs: number;
  readonly #stallTimeoutMs: number;
  #isGone = false;
  #isClosed = false;
  /** Both made when somebody asks, which few requests do. */
  #gone: AbortController | undefined;
  #settled: PromiseWithResolvers<void> | undefined;
  #whenGone: (() => void) | undefined;
  #streaming = false;
  /** Where a comment or an event of ours would not cut one of the answer in two. */
  #betweenEvents = true;
  #beatsAtMs = Number.POSITIVE_INFINITY;
  #cutOffAtMs = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #firstByteAt: number | undefined;
  #status: number | undefined;
  #beforeLast: (() => void) | undefined;

  constructor(response: ServerResponse, errors: ErrorStyle, times: ClientReplyTimes = {}) {
    const { heartbeatMs = HEARTBEAT_MS, stallTimeoutMs = STALL_TIMEOUT_MS } = times;
    this.#response = response;
    this.#errors = errors;
    this.#heartbeatMs = heartbeatMs;
    this.#stallTimeoutMs = stallTimeoutMs;
    if (response.destroyed) this.#closed();
    else response.on('close', () => this.#closed());
  }

  /** Whether the client left before it had the whole answer. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Aborts when the client leaves before it has the whole answer. */
  get gone(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController();
      if (this.#isGone) this.#gone.abort(clientClosed());
    }
    return this.#gone.signal;
  }

  /** Calls this when the client leaves before it has the whole answer, in place of what was set before. */
  whenGone(action: (() => void) | undefined): void {
    this.#whenGone = action;
  }

  /** True once the head of an answer was written, after which an error can only be an event. */
  get begun(): boolean {
    return this.#status !== undefined;
  }

  get status(): number | undefined {
    return this.#status;
  }

  /** Bytes of the body handed to the socket, without heartbeats. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the first byte of the body was handed to the socket, in milliseconds since 1970. */
  get firstByteAt(): number | undefined {
    return this.#firstByteAt;
  }

  /** Calls this right before the last byte of the answer is sent. A client that left gets none. */
  beforeLastByte(action: () => void): void {
    this.#beforeLast = action;
  }

  /** Cuts the client off that has not taken the whole answer by then, in milliseconds since 1970. */
  cutOffAt(time: number): void {
    if (this.#isClosed) return;
    this.#cutOffAtMs = performance.now() + time - Date.now();
    replies.add(this);
  }

  get dueAtMs(): number {
    return Math.min(this.#beatsAtMs, this.#cutOffAtMs);
  }

  /** For the list of replies alone. */
  due(): void {
    const nowMs = performance.now();
    if (nowMs >= this.#cutOffAtMs) {
      replies.delete(this);
      this.#response.destroy();
      return;
    }
    this.#beatsAtMs = nowMs + this.#heartbeatMs;
    if (this.#betweenEvents && !this.#response.writableNeedDrain) this.#response.write(HEARTBEAT);
  }

  sendWhole(status: number, contentType: string, body: Uint8Array, headers: ReplyHeaders): void {
    if (this.#isGone) return;
    this.#beforeLast?.();
    const response = this.#response;
    const length = String(body.length);
    response.writeHead(status, [...headers, 'content-type', contentType, 'content-length', length]);
    this.#status = status;
    this.#count(body);
    if (body.length > ONE_PIECE_BYTES_MAX) response.end(body);
    else response.end(asBuffer(body).toString('latin1'), 'latin1');
    this.#cutIfStalled();
  }

  /** The status of the answer that says this error, in the client's dialect. */
  statusOf(error: GatewayError): number {
    return this.#errors.status(error);
  }

  /** `attempts` is how often providers were asked. */
  sendError(error: GatewayError, requestId: string, attempts: number, headers: ReplyHeaders): void {
    const body = Buffer.from(JSON.stringify(this.#errors.body(error, requestId)));
    this.sendWhole(this.statusOf(error), 'application/json; charset=utf-8', body, [
      ...headers,
      ...Object.entries(errorHeaders(error, attempts)).flat(),
    ]);
  }

  /** The head leaves at the end of this turn of the event loop, with what is written until then. */
  begin(contentType: string, headers: ReplyHeaders): void {
    if (this.#isGone) return;
    const response = this.#response;
    response.writeHead(200, [
      ...headers,
      'content-type',
      contentType,
      'cache-control',
      'no-cache',
      // Tells nginx and its like not to collect the stream.
      'x-accel-buffering',
      'no',
    ]);
    this.#status = 200;
    this.#streaming = true;
    holdToEndOfTurn(response.socket);
    response.flushHeaders();
    this.#beatsAtMs = performance.now() + this.#heartbeatMs;
    replies.add(this);
  }

  /** Undefined when the client can take more at once, else resolves when it can, or has left. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#isGone || bytes.length === 0) return undefined;
    this.#count(bytes);
    this.#betweenEvents = endsEvent(bytes);
    this.#beatsAtMs = performance.now() + this.#heartbeatMs;
    return this.#response.write(bytes) ? undefined : this.#drained();
  }

  /**
   * Ends the stream with these bytes. They leave together with HTTP's own end, or a client that hangs up
   * after the last event would be taken for one that left too early.
   */
  end(last: Uint8Array): void {
    this.#beatsAtMs = Number.POSITIVE_INFINITY;
    if (this.#isGone) return;
    this.#beforeLast?.();
    this.#count(last);
    this.#response.end(last);
    this.#cutIfStalled();
  }

  /** Says the error inside the stream and cuts the connection, so that no client takes it for an end. */
  interrupt(error: GatewayError, requestId: string): void {
    this.#beatsAtMs = Number.POSITIVE_INFINITY;
    if (this.#isGone) return;
    this.#beforeLast?.();
    if (!this.#streaming) {
      this.#response.destroy();
      return;
    }
    const event = Buffer.from(
      `${this.#betweenEvents ? '' : '\n\n'}${this.#errors.event(error, requestId)}`,
    );
    this.#count(event);
    this.#response.write(event, () => this.#response.destroy());
    this.#cutIfStalled();
  }

  /** Resolves when the client has the whole answer, was cut off, or has left. */
  settled(): Promise<void> {
    this.#settled ??= Promise.withResolvers();
    if (this.#isClosed) this.#settled.resolve();
    return this.#settled.promise;
  }

  #closed(): void {
    this.#isClosed = true;
    replies.delete(this);
    this.#isGone = !this.#response.writableFinished;
    if (this.#isGone) {
      this.#gone?.abort(clientClosed());
      this.#whenGone?.();
    }
    this.#settled?.resolve();
  }

  #count(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (bytes.length > 0) this.#firstByteAt ??= Date.now();
  }

  /** Waits for `drain` or `close`: a client that left never drains. */
  #drained(): Promise<void> {
    const response = this.#response;
    this.#cutIfStalled();
    return new Promise((resolve) => {
      const settle = () => {
        response.socket?.setTimeout(0);
        response.off('drain', settle);
        response.off('close', settle);
        resolve();
      };
      response.once('drain', settle);
      response.once('close', settle);
    });
  }

  /**
   * The socket's own timeout starts again with every byte that the client takes; when it passes, Node
   * destroys the socket. What the system has taken already can stall no more. An answer behind another
   * one of its connection has no socket yet.
   */
  #cutIfStalled(): void {
    const { socket } = this.#response;
    if (socket?.writableLength === 0) return;
    if (socket) socket.setTimeout(this.#stallTimeoutMs);
    else this.#response.once('socket', (late) => late.setTimeout(this.#stallTimeoutMs));
  }
}

/** The reason why a call is cancelled whose client has left. */
export function clientClosed(): GatewayError {
  return new GatewayError('client_closed', 'The client closed the connection.');
}

/** What is written meanwhile leaves in one piece. */
function holdToEndOfTurn(socket: Socket | null): void {
  if (!socket || socket.writableCorked > 0) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Whether the bytes end with the empty line that ends an event. */
function endsEvent(bytes: Uint8Array): boolean {
  if (bytes.at(-1) !== LINE_FEED) return false;
  const before = bytes.at(-2) === CARRIAGE_RETURN ? bytes.at(-3) : bytes.at(-2);
  return before === LINE_FEED;
}
