import { type Exchange, estimatePromptTokens, estimateTokens } from '@gateway/dialects';
import {
  type AttemptedEvent,
  EVENT_SCHEMA,
  type GatewayError,
  type InferenceRequest,
  NO_USAGE,
  type Usage,
} from '@gateway/protocol';

const PROVIDER_TEXT_LENGTH_MAX = 256;
const FINISH_REASONS_MAX = 16;

export interface SpentUsage {
  readonly usage: Usage;
  readonly source: AttemptedEvent['usageSource'];
}

/** What the provider was sent, and what it has said. */
export interface AskedAndAnswered {
  readonly request: Pick<Exchange['request'], 'body'>;
  readonly facts: Exchange['facts'];
}

/** What is learnt of one provider call while it runs, to become its event. */
export class AttemptRecord {
  readonly #request: InferenceRequest;
  readonly #attempt: number;
  readonly #exchange: AskedAndAnswered;
  readonly #startedAt = Date.now();
  readonly #startedAtMs = performance.now();
  #isSent = false;
  #status: number | undefined;
  #upstreamRequestId: string | undefined;
  #firstByteMs: number | undefined;
  #isComplete = false;

  constructor(request: InferenceRequest, attempt: number, exchange: AskedAndAnswered) {
    this.#request = request;
    this.#attempt = attempt;
    this.#exchange = exchange;
  }

  sent(): void {
    this.#isSent = true;
  }

  answered(status: number, headers: Readonly<Record<string, string>>): void {
    this.#status = status;
    // OpenAI and its likes, then Anthropic.
    const id = headers['x-request-id'] ?? headers['request-id'];
    if (id !== undefined) this.#upstreamRequestId = cut(id);
  }

  firstByte(): void {
    this.#firstByteMs ??= this.#elapsedMs();
  }

  /** The provider has said that its answer is whole, so that its counts are final. */
  completed(): void {
    this.#isComplete = true;
  }

  /**
   * What the call cost. Counts in an answer that broke off are not final: Anthropic's first event has
   * the input and one token of output, so the output is then at least what was seen of it.
   */
  spent(error?: GatewayError): SpentUsage {
    const status = this.#statusWith(error);
    const isRefused = status !== undefined && (status < 200 || status >= 300);
    if (!this.#isSent || isRefused) return { usage: NO_USAGE, source: 'none' };
    const { usage, outputCharacters } = this.#exchange.facts;
    if (usage !== undefined && this.#isComplete) return { usage, source: 'provider' };
    const outputTokens = estimateTokens(outputCharacters);
    if (usage !== undefined) {
      const seen = { ...usage, outputTokens: Math.max(usage.outputTokens, outputTokens) };
      return { usage: seen, source: 'estimated' };
    }
    const inputTokens = tokensAsked(this.#exchange.request.body);
    return { usage: { ...NO_USAGE, inputTokens, outputTokens }, source: 'estimated' };
  }

  event(error?: GatewayError): AttemptedEvent {
    const { requestId, tenant, target } = this.#request;
    const { responseModel, finishReasons } = this.#exchange.facts;
    const { usage, source } = this.spent(error);
    const upstreamStatus = this.#statusWith(error);
    const event: AttemptedEvent = {
      kind: 'attempted',
      schema: EVENT_SCHEMA,
      requestId,
      attempt: this.#attempt,
      at: this.#startedAt,
      tenant,
      provider: target.provider,
      model: target.model,
      finishReasons: finishReasons.slice(0, FINISH_REASONS_MAX).map(cut),
      usage,
      usageSource: source,
      latencyMs: this.#elapsedMs(),
      assumed: false,
    };
    if (responseModel !== undefined) event.responseModel = cut(responseModel);
    if (this.#upstreamRequestId !== undefined) event.upstreamRequestId = this.#upstreamRequestId;
    if (upstreamStatus !== undefined) event.upstreamStatus = upstreamStatus;
    if (error !== undefined) event.errorCode = error.code;
    if (this.#firstByteMs !== undefined) event.timeToFirstByteMs = this.#firstByteMs;
    return event;
  }

  /** In whole microseconds, which is what the clock is worth and what people can read. */
  #elapsedMs(): number {
    return Math.round((performance.now() - this.#startedAtMs) * 1000) / 1000;
  }

  #statusWith(error: GatewayError | undefined): number | undefined {
    return this.#status ?? error?.facts.upstreamStatus;
  }
}

function cut(text: string): string {
  return text.slice(0, PROVIDER_TEXT_LENGTH_MAX);
}

/** Of the request as the provider got it; what is no JSON counts by its bytes. */
function tokensAsked(body: Uint8Array): number {
  try {
    return estimatePromptTokens(JSON.parse(new TextDecoder().decode(body)));
  } catch {
    return estimateTokens(body.length);
  }
}
