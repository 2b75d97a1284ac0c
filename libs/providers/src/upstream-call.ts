import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError, type Timeouts } from '@gateway/protocol';
import { type Due, DueList } from '@gateway/runtime';
import type { Dispatcher } from 'undici';
import { AnswerBody, type BodySource } from './answer-body.ts';
import type { ProviderAnswer } from './provider.ts';
import { ReadableAnswer } from './readable-answer.ts';
import type { StopSignal } from './stop-signal.ts';
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
  /** By name, or names and values by turns. */
  readonly headers: Readonly<Record<string, string>> | string[];
  readonly body?: Uint8Array | undefined;
  readonly timeouts: Timeouts;
  readonly signal: StopSignal;
  readonly onSent?: (() => void) | undefined;
}

/** Makes one HTTP call. Redirects are not followed and answers are not decompressed. */
export function callUpstream(
  dispatcher: Dispatcher,
  request: UpstreamRequest,
): Promise<ProviderAnswer> {
  return new UpstreamCall(request).run(dispatcher);
}

const dueCalls = new DueList();

/**
 * One call from its start to the last byte of the answer.
 *
 * It is `connecting` until a socket is there for it, which includes waiting for a free one,
 * `awaiting` until the answer's headers are there, then `answering`. The time limits are our own
 * because the client's know neither the first byte of a body nor the whole of a call, and because
 * of its queue.
 */
class UpstreamCall implements Dispatcher.DispatchHandler, BodySource, Due {
  readonly #request: UpstreamRequest;
  readonly #answer = Promise.withResolvers<ProviderAnswer>();
  readonly #body = new AnswerBody(this);
  duePlace = -1;
  readonly #totalDueAtMs: number;
  #dueAtMs: number;
  /** What it means when the call is due before its total. */
  #limit: CallTimeout = 'connect_timeout';
  #phase: CallPhase = 'connecting';
  #controller: Dispatcher.DispatchController | undefined;
  #hasBodyBytes = false;
  #isPaused = false;
  #failure: GatewayError | undefined;
  #isOver = false;

  constructor(request: UpstreamRequest) {
    const nowMs = performance.now();
    const { connectMs, totalMs } = request.timeouts;
    this.#request = request;
    this.#totalDueAtMs = nowMs + totalMs;
    this.#dueAtMs = Math.min(nowMs + connectMs, this.#totalDueAtMs);
  }

  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  run(dispatcher: Dispatcher): Promise<ProviderAnswer> {
    const { method, path, headers, body = null, signal } = this.#request;
    if (signal.aborted) return Promise.reject(abortError(signal));
    signal.addEventListener('abort', this.#onAbort, { once: true });
    dueCalls.add(this);
    dispatcher.dispatch({ method, path, headers, body, headersTimeout: 0, bodyTimeout: 0 }, this);
    return this.#answer.promise;
  }

  due(): void {
    const timeout = this.#dueAtMs < this.#totalDueAtMs ? this.#limit : 'total_timeout';
    this.#fail(timeoutError(this.#request.provider, timeout));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure !== undefined) {
      controller.abort(this.#failure);
      return;
    }
    this.#phase = 'awaiting';
    this.#allow('first_byte_timeout', this.#request.timeouts.firstByteMs);
    this.#request.onSent?.();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    rawHeaders: IncomingHttpHeaders,
  ): void {
    if (status < 200) return;
    const { provider } = this.#request;
    const headers = joinRepeated(rawHeaders);
    const refusal = refuseAnswer(provider, status, headers);
    if (refusal !== undefined) {
      this.#fail(refusal);
      return;
    }
    this.#phase = 'answering';
    this.#answer.resolve(new ReadableAnswer(provider, status, headers, this.#body));
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#isOver) return;
    this.#hasBodyBytes = true;
    // While bytes wait for the reader the provider owes nothing but the end of the whole.
    this.#dueAtMs = this.#totalDueAtMs;
    this.#body.add(piece);
    if (this.#body.heldBytes < READ_AHEAD_BYTES_MAX) return;
    this.#isPaused = true;
    controller.pause();
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#close();
    this.#body.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail(upstreamError(this.#request.provider, this.#phase, error));
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#controller?.resume();
  }

  waiting(): void {
    if (this.#hasBodyBytes) this.#allow('idle_timeout', this.#request.timeouts.idleMs);
  }

  abandon(): void {
    this.#fail(new GatewayError('client_closed', 'The answer was not read to its end.'));
  }

  readonly #onAbort = () => {
    const error = abortError(this.#request.signal);
    this.#body.cutOff(error);
    this.#fail(error);
  };

  #allow(limit: CallTimeout, forMs: number): void {
    this.#limit = limit;
    this.#dueAtMs = Math.min(performance.now() + forMs, this.#totalDueAtMs);
    dueCalls.expect(this);
  }

  #fail(error: GatewayError): void {
    if (this.#isOver) return;
    this.#failure = error;
    this.#close();
    this.#answer.reject(error);
    this.#body.fail(error);
    this.#controller?.abort(error);
  }

  #close(): void {
    this.#isOver = true;
    dueCalls.delete(this);
    this.#request.signal.removeEventListener('abort', this.#onAbort);
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

/** The same object: nobody else reads it, and a copy of every answer's headers costs half a µs. */
function joinRepeated(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  for (const name in headers) {
    const value = headers[name];
    if (Array.isArray(value)) headers[name] = value.join(', ');
  }
  return headers as Record<string, string>;
}
