/** What is known of one request so far, and the events and headers that say it. */
import {
  type AttemptedEvent,
  addUsage,
  type CacheEntry,
  type CacheOutcome,
  EVENT_SCHEMA,
  type FinishedEvent,
  type GatewayError,
  type KeyRecord,
  type LimitState,
  NO_USAGE,
  type ReceivedEvent,
  type Usage,
} from '@gateway/protocol';
import type { ReplyHeaders } from './client-reply.ts';

const MODEL_LENGTH_MAX = 256;
export const USER_AGENT_LENGTH_MAX = 256;

/** The request as it arrived, before anything of its body was read. */
export interface ClientRequest {
  readonly requestId: string;
  readonly receivedAt: number;
  readonly key: KeyRecord;
  /** The route, for example `/v1/chat/completions`. */
  readonly endpoint: string;
  readonly method: string;
  readonly clientIp: string;
  readonly userAgent: string;
  readonly traceId: string | undefined;
  readonly header: (name: string) => string | undefined;
  /** Empty once it will not be sent again. */
  body: Uint8Array;
}

export interface ReplyOutcome {
  readonly status: number;
  readonly ended: FinishedEvent['ended'];
  readonly error?: GatewayError;
  readonly bytes: number;
  readonly firstByteAt: number | undefined;
}

export class RequestRecord {
  readonly #request: ClientRequest;
  readonly #configurationRevision: string;
  #model = '';
  #stream = false;
  #cache: CacheOutcome = 'bypass';
  #savedUsage: Usage | undefined;
  #answeredBy: { readonly provider: string; readonly model: string } | undefined;
  #limits: readonly LimitState[] = [];
  /** Numbers of those that are known: one, nearly always. */
  readonly #attempts: number[] = [];
  #usage: Usage = NO_USAGE;

  constructor(request: ClientRequest, configurationRevision: string) {
    this.#request = request;
    this.#configurationRevision = configurationRevision;
  }

  get requestId(): string {
    return this.#request.requestId;
  }

  get attempts(): number {
    return this.#attempts.length;
  }

  asksFor(model: string, stream: boolean): void {
    // The cut may go through a pair of surrogates.
    this.#model = model.slice(0, MODEL_LENGTH_MAX).toWellFormed();
    this.#stream = stream;
  }

  limitedBy(limits: readonly LimitState[]): void {
    this.#limits = limits;
  }

  missed(): void {
    this.#cache = 'miss';
  }

  hit(entry: CacheEntry): void {
    this.#cache = 'hit';
    this.#savedUsage = entry.usage;
    this.#answeredBy = { provider: entry.provider, model: entry.model };
  }

  knowsAttempt(attempt: number): boolean {
    return this.#attempts.includes(attempt);
  }

  attempted(event: AttemptedEvent): void {
    if (!this.knowsAttempt(event.attempt)) this.#attempts.push(event.attempt);
    this.#usage = addUsage(this.#usage, event.usage);
  }

  answeredBy(provider: string, model: string): void {
    this.#answeredBy = { provider, model };
  }

  received(deadlineAt: number): ReceivedEvent {
    return { ...this.#facts(), kind: 'received', schema: EVENT_SCHEMA, deadlineAt };
  }

  finished({ status, ended, error, bytes, firstByteAt }: ReplyOutcome): FinishedEvent {
    const finishedAt = Date.now();
    const { receivedAt } = this.#request;
    // What is undefined is not written.
    return {
      ...this.#facts(),
      kind: 'finished',
      schema: EVENT_SCHEMA,
      finishedAt,
      status,
      ended,
      errorCode: error?.code,
      attempts: this.attempts,
      provider: this.#answeredBy?.provider,
      targetModel: this.#answeredBy?.model,
      cacheOutcome: this.#cache,
      usage: this.#usage,
      savedUsage: this.#savedUsage,
      latencyMs: finishedAt - receivedAt,
      timeToFirstTokenMs: firstByteAt === undefined ? undefined : firstByteAt - receivedAt,
      responseBytes: bytes,
      assumed: false,
    };
  }

  logFields(): { readonly request_id: string; readonly key_id: string } {
    return { request_id: this.#request.requestId, key_id: this.#request.key.id };
  }

  /**
   * The headers that every answer to this request carries, as far as it has come. `attempts` is how
   * many the client is told of.
   */
  headers(attempts = this.attempts): ReplyHeaders {
    const headers = [
      'x-request-id',
      this.#request.requestId,
      'x-gateway-cache',
      this.#cache,
      'x-gateway-attempts',
      String(attempts),
    ];
    if (this.#answeredBy !== undefined) {
      const { provider, model } = this.#answeredBy;
      headers.push('x-gateway-provider', provider, 'x-gateway-model', headerText(model));
    }
    const limit = tightest(this.#limits);
    if (limit !== undefined) pushLimit(headers, limit);
    return headers;
  }

  #facts() {
    const request = this.#request;
    return {
      requestId: request.requestId,
      receivedAt: request.receivedAt,
      tenant: request.key.tenant,
      keyId: request.key.id,
      endpoint: request.endpoint,
      method: request.method,
      model: this.#model,
      stream: this.#stream,
      clientIp: request.clientIp,
      userAgent: request.userAgent.slice(0, USER_AGENT_LENGTH_MAX),
      traceId: request.traceId,
      configurationRevision: this.#configurationRevision,
    };
  }
}

/** The limit of requests with the least left, the first of several. */
function tightest(limits: readonly LimitState[]): LimitState | undefined {
  let least: LimitState | undefined;
  for (const limit of limits) {
    if (limit.kind !== 'requests') continue;
    if (least === undefined || limit.remaining < least.remaining) least = limit;
  }
  return least;
}

/**
 * OpenAI's names: https://platform.openai.com/docs/guides/rate-limits. They have none for requests at
 * the same time.
 */
function pushLimit(headers: string[], { amount, remaining, resetMs }: LimitState): void {
  headers.push('x-ratelimit-limit-requests', String(amount));
  headers.push('x-ratelimit-remaining-requests', String(remaining));
  headers.push('x-ratelimit-reset-requests', durationText(resetMs));
}

/** A duration as OpenAI writes it: `17ms`, `8.64s`, `6m0s`, `1h2m3s`. */
export function durationText(durationMs: number): string {
  if (durationMs < 1000) return `${Math.ceil(durationMs)}ms`;
  const totalSeconds = durationMs / 1000;
  if (totalSeconds < 60) return `${Number(totalSeconds.toFixed(3))}s`;
  const whole = Math.ceil(totalSeconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return `${hours > 0 ? `${hours}h` : ''}${minutes}m${whole % 60}s`;
}

/** A model name may hold what a header may not. */
function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
