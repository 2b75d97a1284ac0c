/**
 * The sockets of the server and the answers that run on them.
 *
 * Node alone would wait, when it closes, for every connection that is not idle: also for one that
 * never said a word, that stopped in the middle of its headers, or that stays open after its last
 * answer. Here a closing server waits for answers and for nothing else.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a closing server waits for the rest of a body. */
const BODY_GRACE_MS = 5_000;

export class OpenConnections {
  readonly #running = new Map<Socket, Set<ServerResponse>>();
  readonly #bodyGraceMs: number;
  #isClosing = false;

  constructor(server: Server, bodyGraceMs = BODY_GRACE_MS) {
    this.#bodyGraceMs = bodyGraceMs;
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
    return [...(this.#running.get(socket) ?? [])].some((response) => response.headersSent);
  }

  /** Cuts what carries no answer now, and every other connection after its last answer. */
  close(): void {
    this.#isClosing = true;
    this.#cut((responses) => responses.size === 0);
    setTimeout(() => {
      this.#cut((responses) => [...responses].every(({ req }) => !req.complete));
    }, this.#bodyGraceMs).unref();
  }

  #cut(isUnneeded: (responses: ReadonlySet<ServerResponse>) => boolean): void {
    for (const [socket, responses] of this.#running) {
      if (isUnneeded(responses)) socket.destroy();
    }
  }

  #opened(socket: Socket): void {
    this.#running.set(socket, new Set());
    socket.once('close', () => this.#running.delete(socket));
  }

  #began(socket: Socket, response: ServerResponse): void {
    const responses = this.#running.get(socket);
    responses?.add(response);
    response.once('close', () => {
      responses?.delete(response);
      if (this.#isClosing && responses?.size === 0) socket.destroySoon();
    });
  }
}
