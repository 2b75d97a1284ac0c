/**
 * The sockets of the server and the answers that run on them.
 *
 * Node alone would wait, when it closes, for every connection that is not idle: also for one that
 * never said a word, that stopped in the middle of its headers, or that stays open after its last
 * answer. Here a closing server waits for answers and for nothing else.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a closing server waits for the rest of a body. */
const BODY_GRACE_MS = 5_000;
/** Requests of one connection; the last one is answered with `connection: close`. */
const REQUESTS_MAX = 1_000;

interface Connection {
  /** The few that a client pipelines, in an array: see `InFlight`. */
  readonly running: ServerResponse[];
  requests: number;
}

export class OpenConnections {
  readonly #connections = new Map<Socket, Connection>();
  readonly #bodyGraceMs: number;
  #isLeaving = false;
  #isClosing = false;
  #allClosed: (() => void) | undefined;

  constructor(server: Server, bodyGraceMs = BODY_GRACE_MS) {
    this.#bodyGraceMs = bodyGraceMs;
    // Node drops what follows on the connection, and would leave it open.
    server.maxRequestsPerSocket = REQUESTS_MAX;
    server.on('connection', (socket: Socket) => this.#opened(socket));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#began(request.socket, response),
    );
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Whether bytes of an answer are on the socket, so that nothing else may be written to it. */
  hasAnswerBegun(socket: Socket): boolean {
    const running = this.#connections.get(socket)?.running ?? [];
    return running.some((response) => response.headersSent);
  }

  /**
   * Serves until no connection is open, the time is over, or the signal aborts, and tells every client
   * with its answer to come back elsewhere. So a client that keeps its connections sees no reset while
   * it has not heard yet that this process leaves.
   */
  async leave(lameDuckMs: number, signal: AbortSignal): Promise<void> {
    this.#isLeaving = true;
    for (const { running } of this.#connections.values()) {
      for (const response of running) announceEnd(response);
    }
    if (this.#connections.size === 0 || lameDuckMs === 0) return;
    const allClosed = new AbortController();
    this.#allClosed = () => allClosed.abort();
    const over = AbortSignal.any([allClosed.signal, signal]);
    await sleep(lameDuckMs, undefined, { signal: over }).catch(() => {});
  }

  /** Cuts what carries no answer now, and every other connection after its last answer. */
  close(): void {
    this.#isClosing = true;
    this.#cut((responses) => responses.length === 0);
    setTimeout(() => {
      this.#cut((responses) => responses.every(({ req }) => !req.complete));
    }, this.#bodyGraceMs).unref();
  }

  #cut(isUnneeded: (responses: readonly ServerResponse[]) => boolean): void {
    for (const [socket, { running }] of this.#connections) {
      if (isUnneeded(running)) socket.destroy();
    }
  }

  #opened(socket: Socket): void {
    this.#connections.set(socket, { running: [], requests: 0 });
    socket.once('close', () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#allClosed?.();
    });
  }

  #began(socket: Socket, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (!connection) return;
    const { running } = connection;
    connection.requests += 1;
    if (this.#isLeaving || connection.requests >= REQUESTS_MAX) announceEnd(response);
    running.push(response);
    response.on('close', () => {
      running.splice(running.indexOf(response), 1);
      if (this.#isClosing && running.length === 0) socket.destroySoon();
    });
  }
}

function announceEnd(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}
