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
  readonly body: Uint8Array;
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
  readonly #attempts = new Set<number>();
  #usage: Usage = NO_USAGE;

  constructor(request: ClientRequest, configurationRevision: string) {
    this.#request = request;
    this.#configurationRevision = configurationRevision;
  }

  get requestId(): string {
    return this.#request.requestId;
  }

  get attempts(): number {
    return this.#attempts.size;
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
    return this.#attempts.has(attempt);
  }

  attempted(event: AttemptedEvent): void {
    this.#attempts.add(event.attempt);
    this.#usage = addUsage(this.#usage, event.usage);
  }

  answeredBy(provider: string, model: string): void {
    this.#answeredBy = { provider, model };
  }

  received(deadlineAt: number): ReceivedEvent {
    return { kind: 'received', schema: EVENT_SCHEMA, ...this.#facts(), deadlineAt };
  }

  finished(outcome: ReplyOutcome): FinishedEvent {
    const finishedAt = Date.now();
    const { receivedAt } = this.#request;
    return {
      kind: 'finished',
      schema: EVENT_SCHEMA,
      ...this.#facts(),
      finishedAt,
      status: outcome.status,
      ended: outcome.ended,
      ...(outcome.error && { errorCode: outcome.error.code }),
      attempts: this.attempts,
      ...(this.#answeredBy && {
        provider: this.#answeredBy.provider,
        targetModel: this.#answeredBy.model,
      }),
      cacheOutcome: this.#cache,
      usage: this.#usage,
      ...(this.#savedUsage && { savedUsage: this.#savedUsage }),
      latencyMs: finishedAt - receivedAt,
      ...(outcome.firstByteAt !== undefined && {
        timeToFirstTokenMs: outcome.firstByteAt - receivedAt,
      }),
      responseBytes: outcome.bytes,
      assumed: false,
    };
  }

  logFields(): { readonly request_id: string; readonly key_id: string } {
    return { request_id: this.#request.requestId, key_id: this.#request.key.id };
  }

  /** The headers that every answer to this request carries, as far as it has come. */
  headers(): ReplyHeaders {
    return {
      'x-request-id': this.#request.requestId,
      'x-gateway-cache': this.#cache,
      'x-gateway-attempts': String(this.attempts),
      ...(this.#answeredBy && {
        'x-gateway-provider': this.#answeredBy.provider,
        'x-gateway-model': headerText(this.#answeredBy.model),
      }),
      ...limitHeaders(this.#limits),
    };
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
      ...(request.traceId !== undefined && { traceId: request.traceId }),
      configurationRevision: this.#configurationRevision,
    };
  }
}

/**
 * OpenAI's names, for the tightest limit: https://platform.openai.com/docs/guides/rate-limits. They
 * have none for requests at the same time.
 */
function limitHeaders(limits: readonly LimitState[]): ReplyHeaders {
  const tightest = limits
    .filter(({ kind }) => kind === 'requests')
    .reduce<LimitState | undefined>(
      (least, limit) => (!least || limit.remaining < least.remaining ? limit : least),
      undefined,
    );
  if (!tightest) return {};
  return {
    'x-ratelimit-limit-requests': String(tightest.amount),
    'x-ratelimit-remaining-requests': String(tightest.remaining),
    'x-ratelimit-reset-requests': durationText(tightest.resetMs),
  };
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
