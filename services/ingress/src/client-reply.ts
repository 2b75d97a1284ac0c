/**
 * The answer to one client: a whole body, or a stream that begins, goes on and ends. It knows what was
 * sent and whether the client is still there; writing to a client that left does nothing.
 */
import type { ServerResponse } from 'node:http';
import { GatewayError } from '@gateway/protocol';
import { errorBody, errorEvent, errorHeaders } from './error-reply.ts';

/** A stream that is silent for so long gets a comment, so that proxies keep the connection. */
const HEARTBEAT_MS = 15_000;
/** A client that takes nothing for so long is cut off. */
const STALL_TIMEOUT_MS = 60_000;
const HEARTBEAT = ': keepalive\n\n';

export type ReplyHeaders = Readonly<Record<string, string>>;

export class ClientReply {
  readonly #response: ServerResponse;
  readonly #gone = new AbortController();
  #streaming = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #bytes = 0;
  #firstByteAt: number | undefined;
  #status: number | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.once('close', () => {
      clearInterval(this.#heartbeat);
      if (!response.writableFinished) {
        this.#gone.abort(new GatewayError('client_closed', 'The client closed the connection.'));
      }
    });
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

  /** Bytes of the body handed to the socket. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the first byte of the body was handed to the socket, in milliseconds since 1970. */
  get firstByteAt(): number | undefined {
    return this.#firstByteAt;
  }

  sendWhole(status: number, contentType: string, body: Uint8Array, headers: ReplyHeaders): void {
    if (this.#gone.signal.aborted) return;
    this.#status = status;
    this.#count(body.length);
    this.#response.writeHead(status, {
      ...headers,
      'content-type': contentType,
      'content-length': body.length,
    });
    this.#response.end(body);
  }

  sendError(error: GatewayError, attempts: number, headers: ReplyHeaders): void {
    const body = Buffer.from(JSON.stringify(errorBody(error)));
    this.sendWhole(error.status, 'application/json; charset=utf-8', body, {
      ...headers,
      ...errorHeaders(error, attempts),
    });
  }

  begin(contentType: string, headers: ReplyHeaders): void {
    if (this.#gone.signal.aborted) return;
    this.#status = 200;
    this.#streaming = true;
    this.#response.writeHead(200, {
      ...headers,
      'content-type': contentType,
      'cache-control': 'no-cache',
      // Tells nginx and its like not to collect the stream.
      'x-accel-buffering': 'no',
    });
    this.#response.flushHeaders();
    this.#heartbeat = setInterval(() => this.#response.write(HEARTBEAT), HEARTBEAT_MS);
  }

  /** Resolves when the client can take more, or has left. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#gone.signal.aborted || bytes.length === 0) return;
    this.#count(bytes.length);
    this.#heartbeat?.refresh();
    if (!this.#response.write(bytes)) await this.#drained();
  }

  end(): void {
    clearInterval(this.#heartbeat);
    if (!this.#gone.signal.aborted) this.#response.end();
  }

  /** Says the error inside the stream and cuts the connection, so that no client takes it for an end. */
  interrupt(error: GatewayError): void {
    clearInterval(this.#heartbeat);
    if (this.#gone.signal.aborted) return;
    if (!this.#streaming) {
      this.#response.destroy();
      return;
    }
    const event = Buffer.from(errorEvent(error));
    this.#count(event.length);
    this.#response.write(event, () => this.#response.destroy());
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (bytes > 0) this.#firstByteAt ??= Date.now();
  }

  /** Waits for `drain` or `close`: a client that left never drains. */
  #drained(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(stall);
        response.off('drain', settle);
        response.off('close', settle);
        resolve();
      };
      const stall = setTimeout(() => response.destroy(), STALL_TIMEOUT_MS);
      response.once('drain', settle);
      response.once('close', settle);
    });
  }
}
