import { GatewayError, type Timeouts } from '@gateway/protocol';
import type { Dispatcher } from 'undici';
import { joinBytes, readAll, readStart } from './answer-bytes.ts';
import type { ProviderAnswer } from './provider.ts';
import {
  abortError,
  badResponse,
  type CallPhase,
  type CallTimeout,
  timeoutError,
  upstreamError,
} from './upstream-error.ts';

/** Bytes of an answer held for a reader that is slow; beyond it the socket is not read. */
export const READ_AHEAD_BYTES_MAX = 256 * 1024;

export interface UpstreamRequest {
  readonly provider: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeouts: Timeouts;
  readonly signal: AbortSignal;
  readonly onSent?: (() => void) | undefined;
}

/** Makes one HTTP call. Redirects are not followed and answers are not decompressed. */
export function callUpstream(
  dispatcher: Dispatcher,
  request: UpstreamRequest,
): Promise<ProviderAnswer> {
  return new UpstreamCall(request).run(dispatcher);
}

/**
 * One call from its start to the last byte of the answer.
 *
 * It is `connecting` until a socket is there for it, which includes waiting for a free one,
 * `awaiting` until the answer's headers are there, then `answering`. The timers are our own because
 * the client's know neither the first byte of a body nor the whole of a call, and because of its
 * queue. Exactly one of `#ended` and `#failure` closes the call; what was received before a
 * failure is still read.
 */
class UpstreamCall implements Dispatcher.DispatchHandler {
  readonly #request: UpstreamRequest;
  readonly #answer = Promise.withResolvers<ProviderAnswer>();
  readonly #totalTimer: NodeJS.Timeout;
  #phaseTimer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #phase: CallPhase = 'connecting';
  #hasBodyBytes = false;
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  #ended = false;
  #failure: GatewayError | undefined;
  #wakeReader: (() => void) | undefined;

  constructor(request: UpstreamRequest) {
    this.#request = request;
    this.#totalTimer = this.#startTimer('total_timeout', request.timeouts.totalMs);
    this.#phaseTimer = this.#startTimer('connect_timeout', request.timeouts.connectMs);
  }

  run(dispatcher: Dispatcher): Promise<ProviderAnswer> {
    const { method, path, headers, body, signal } = this.#request;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
    else {
      const options = {
        method,
        path,
        headers,
        body: body ?? null,
        headersTimeout: 0,
        bodyTimeout: 0,
      };
      dispatcher.dispatch(options, this);
    }
    return this.#answer.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure !== undefined) {
      controller.abort(this.#failure);
      return;
    }
    this.#phase = 'awaiting';
    clearTimeout(this.#phaseTimer);
    this.#phaseTimer = this.#startTimer('first_byte_timeout', this.#request.timeouts.firstByteMs);
    this.#request.onSent?.();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    rawHeaders: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    const { provider } = this.#request;
    const headers = joinHeaders(rawHeaders);
    const refusal = refuseAnswer(provider, status, headers);
    if (refusal !== undefined) {
      this.#fail(refusal);
      return;
    }
    this.#phase = 'answering';
    const body = this.#read();
    this.#answer.resolve({
      status,
      headers,
      body,
      readAll: (bytesMax, onBytes) => readAll(provider, body, bytesMax, onBytes),
      readStart: (bytesMax) => readStart(body, bytesMax),
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#failure !== undefined) return;
    if (!this.#hasBodyBytes) {
      this.#hasBodyBytes = true;
      clearTimeout(this.#phaseTimer);
    }
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    if (this.#heldBytes >= READ_AHEAD_BYTES_MAX) controller.pause();
    this.#wakeReader?.();
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#close();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail(upstreamError(this.#request.provider, this.#phase, error));
  }

  readonly #onAbort = () => this.#fail(abortError(this.#request.signal));

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        if (this.#pieces.length > 0) {
          const pieces = this.#pieces;
          this.#pieces = [];
          this.#heldBytes = 0;
          this.#controller?.resume();
          yield joinBytes(pieces);
        } else if (this.#failure !== undefined) {
          throw this.#failure;
        } else if (this.#ended) {
          return;
        } else {
          await this.#nextEvent();
        }
      }
    } finally {
      // Whoever stops reading early has no use for the rest.
      if (!this.#isOver) {
        this.#fail(new GatewayError('client_closed', 'The answer was not read to its end.'));
      }
    }
  }

  /** The idle timer runs while we wait for the provider, not while a slow reader lets it wait. */
  async #nextEvent(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeReader = resolve;
    if (this.#hasBodyBytes) {
      this.#phaseTimer = this.#startTimer('idle_timeout', this.#request.timeouts.idleMs);
    }
    await promise;
    this.#wakeReader = undefined;
    if (this.#hasBodyBytes) clearTimeout(this.#phaseTimer);
  }

  #startTimer(timeout: CallTimeout, afterMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fail(timeoutError(this.#request.provider, timeout)), afterMs);
  }

  get #isOver(): boolean {
    return this.#failure !== undefined || this.#ended;
  }

  #fail(error: GatewayError): void {
    if (this.#isOver) return;
    this.#failure = error;
    this.#close();
    this.#answer.reject(error);
    this.#controller?.abort(error);
  }

  #close(): void {
    clearTimeout(this.#totalTimer);
    clearTimeout(this.#phaseTimer);
    this.#request.signal.removeEventListener('abort', this.#onAbort);
    this.#wakeReader?.();
  }
}

/** Following a redirect would take the credential to an address that no operator has configured. */
function refuseAnswer(
  provider: string,
  upstreamStatus: number,
  headers: Readonly<Record<string, string>>,
): GatewayError | undefined {
  if (upstreamStatus >= 300 && upstreamStatus < 400) {
    return badResponse(provider, 'answered with a redirect', { upstreamStatus });
  }
  const encoding = headers['content-encoding']?.toLowerCase();
  if (encoding !== undefined && encoding !== 'identity') {
    return badResponse(provider, 'compressed its answer although asked not to', { upstreamStatus });
  }
  return undefined;
}

function joinHeaders(
  headers: Record<string, string | string[] | undefined>,
): Record<string, string> {
  // Without a prototype, so that a header named `__proto__` is a header.
  const joined: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return joined;
}
