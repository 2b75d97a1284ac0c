/**
 * The answer to one client: a whole body, or a stream that begins, goes on and ends. It knows what was
 * sent and whether the client is still there; writing to a client that left does nothing.
 */
import type { ServerResponse } from 'node:http';
import { GatewayError } from '@gateway/protocol';
import { errorHeaders } from './error-reply.ts';
import type { ErrorStyle } from './error-style.ts';

/** A stream that is silent for so long gets a comment, so that proxies keep the connection. */
const HEARTBEAT_MS = 15_000;
/** A client that takes not one byte of what waits for it for so long is cut off. */
const STALL_TIMEOUT_MS = 60_000;
const HEARTBEAT = ': keepalive\n\n';
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export type ReplyHeaders = Readonly<Record<string, string>>;

export interface ClientReplyTimes {
  readonly heartbeatMs?: number;
  readonly stallTimeoutMs?: number;
}

export class ClientReply {
  readonly #response: ServerResponse;
  readonly #errors: ErrorStyle;
  readonly #gone = new AbortController();
  readonly #heartbeatMs: number;
  readonly #stallTimeoutMs: number;
  #isClosed = false;
  #streaming = false;
  /** Where a comment or an event of ours would not cut one of the answer in two. */
  #betweenEvents = true;
  #heartbeat: NodeJS.Timeout | undefined;
  #bytes = 0;
  #firstByteAt: number | undefined;
  #status: number | undefined;
  #beforeLast: (() => void) | undefined;
  #cutOff: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, errors: ErrorStyle, times: ClientReplyTimes = {}) {
    const { heartbeatMs = HEARTBEAT_MS, stallTimeoutMs = STALL_TIMEOUT_MS } = times;
    this.#response = response;
    this.#errors = errors;
    this.#heartbeatMs = heartbeatMs;
    this.#stallTimeoutMs = stallTimeoutMs;
    if (response.destroyed) this.#closed();
    else response.once('close', () => this.#closed());
  }

  /** Aborts when the client leaves before it has the whole answer. */
  get gone(): AbortSignal {
    return this.#gone.signal;
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
    const delayMs = Math.max(0, time - Date.now());
    this.#cutOff = setTimeout(() => this.#response.destroy(), delayMs).unref();
  }

  sendWhole(status: number, contentType: string, body: Uint8Array, headers: ReplyHeaders): void {
    if (this.#gone.signal.aborted) return;
    this.#beforeLast?.();
    this.#response.writeHead(status, {
      ...headers,
      'content-type': contentType,
      'content-length': body.length,
    });
    this.#status = status;
    this.#count(body);
    this.#response.end(body);
    this.#cutIfStalled();
  }

  /** The status of the answer that says this error, in the client's dialect. */
  statusOf(error: GatewayError): number {
    return this.#errors.status(error);
  }

  sendError(error: GatewayError, attempts: number, headers: ReplyHeaders): void {
    const said = this.#errors.body(error, headers['x-request-id'] ?? '');
    const body = Buffer.from(JSON.stringify(said));
    this.sendWhole(this.statusOf(error), 'application/json; charset=utf-8', body, {
      ...headers,
      ...errorHeaders(error, attempts),
    });
  }

  begin(contentType: string, headers: ReplyHeaders): void {
    if (this.#gone.signal.aborted) return;
    this.#response.writeHead(200, {
      ...headers,
      'content-type': contentType,
      'cache-control': 'no-cache',
      // Tells nginx and its like not to collect the stream.
      'x-accel-buffering': 'no',
    });
    this.#status = 200;
    this.#streaming = true;
    this.#response.flushHeaders();
    this.#heartbeat = setInterval(() => this.#beat(), this.#heartbeatMs);
  }

  /** Resolves when the client can take more, or has left. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#gone.signal.aborted || bytes.length === 0) return;
    this.#count(bytes);
    this.#betweenEvents = endsEvent(bytes);
    this.#heartbeat?.refresh();
    if (!this.#response.write(bytes)) await this.#drained();
  }

  /**
   * Ends the stream with these bytes. They leave together with HTTP's own end, or a client that hangs up
   * after the last event would be taken for one that left too early.
   */
  end(last: Uint8Array): void {
    clearInterval(this.#heartbeat);
    if (this.#gone.signal.aborted) return;
    this.#beforeLast?.();
    this.#count(last);
    this.#response.end(last);
    this.#cutIfStalled();
  }

  /** Says the error inside the stream and cuts the connection, so that no client takes it for an end. */
  interrupt(error: GatewayError, requestId: string): void {
    clearInterval(this.#heartbeat);
    if (this.#gone.signal.aborted) return;
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
  async settled(): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => this.#response.once('close', resolve));
  }

  #closed(): void {
    this.#isClosed = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#cutOff);
    if (!this.#response.writableFinished) {
      this.#gone.abort(new GatewayError('client_closed', 'The client closed the connection.'));
    }
  }

  #beat(): void {
    if (this.#betweenEvents && !this.#response.writableNeedDrain) this.#response.write(HEARTBEAT);
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
   * destroys the socket. An answer behind another one of its connection has no socket yet.
   */
  #cutIfStalled(): void {
    const { socket } = this.#response;
    if (socket) socket.setTimeout(this.#stallTimeoutMs);
    else this.#response.once('socket', (late) => late.setTimeout(this.#stallTimeoutMs));
  }
}

/** Whether the bytes end with the empty line that ends an event. */
function endsEvent(bytes: Uint8Array): boolean {
  if (bytes.at(-1) !== LINE_FEED) return false;
  const before = bytes.at(-2) === CARRIAGE_RETURN ? bytes.at(-3) : bytes.at(-2);
  return before === LINE_FEED;
}
