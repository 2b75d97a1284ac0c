/**
 * One call of a provider, from the bus to the provider and back.
 *
 * What can be refused without the provider is refused before `accept`. From `accept` on the call is
 * ours, and however it ends, its last frame carries the one `attempted` event that says what it cost.
 * Until the first byte has gone to the caller an error leaves the next target of the plan open, so
 * `head` waits for that byte.
 */
import type { Bus, IncomingCall } from '@gateway/bus';
import {
  chooseDialect,
  type Exchange,
  type ExchangeOptions,
  openExchange,
} from '@gateway/dialects';
import {
  cacheStoreEndpoint,
  ERRORS,
  GatewayError,
  type InferenceHead,
  type InferenceRequest,
  type Timeouts,
  toGatewayError,
} from '@gateway/protocol';
import {
  ANSWER_BYTES_MAX,
  ERROR_BODY_BYTES_MAX,
  type Provider,
  type ProviderAnswer,
} from '@gateway/providers';
import {
  type BoundCounter,
  getMeter,
  type InferenceSpan,
  type Logger,
  startInferenceSpan,
} from '@gateway/telemetry';
import type { AnswerBudget } from './answer-budget.ts';
import { AttemptRecord } from './attempt-record.ts';
import { CacheCopy } from './cache-store.ts';
import type { CallStop, CutOff } from './cut-off.ts';
import { logFailure } from './log-failure.ts';
import type { CallLeave, ProviderBreakers } from './provider-breakers.ts';
import type { ProviderDirectory } from './provider-directory.ts';

export type InferenceCall = IncomingCall<InferenceRequest, InferenceHead>;

export interface AttemptContext {
  readonly bus: Bus;
  readonly directory: ProviderDirectory;
  readonly logger: Logger;
  readonly breakers: ProviderBreakers;
  readonly answers: AnswerBudget;
  readonly cutOff: CutOff;
}

/**
 * How long before the deadline of the call a provider is out of time. Timers of both are up to some ticks
 * late, and whoever reads the error is to be told that it was the provider.
 */
const LAST_WORD_MS = 50;

const SPAN_OPERATIONS = {
  generate: 'chat',
  embed: 'embeddings',
  'count-tokens': 'count_tokens',
} as const;

const callsInFlight = getMeter('provider-worker').createUpDownCounter(
  'gateway.provider.calls_in_flight',
  { description: 'Calls of providers that have begun and not ended' },
);

/** By provider: the counter of one is looked for once. */
const countersInFlight = new WeakMap<Provider, BoundCounter>();

/** Handles one call; it has ended, by `end` or by `fail`, when this resolves. */
export async function attempt(call: InferenceCall, context: AttemptContext): Promise<void> {
  let prepared: PreparedAttempt;
  try {
    const { configurationRevision, target } = call.request;
    const provider = context.directory.find(configurationRevision, target.provider);
    prepared = prepare(call, context, provider, await call.body());
  } catch (thrown) {
    const error = toGatewayError(thrown);
    logFailure(call, context.logger, error, 'refused without a provider call');
    return call.fail(error);
  }
  const inFlight = counterInFlight(prepared.provider);
  inFlight.add(1);
  const stop = context.cutOff.enter(call);
  try {
    await new Attempt(call, context, prepared, stop).run();
  } finally {
    context.cutOff.leave(stop);
    inFlight.add(-1);
  }
}

function counterInFlight(provider: Provider): BoundCounter {
  let counter = countersInFlight.get(provider);
  if (counter === undefined) {
    counter = callsInFlight.bind({ provider: provider.name });
    countersInFlight.set(provider, counter);
  }
  return counter;
}

interface PreparedAttempt {
  readonly provider: Provider;
  readonly exchange: Exchange;
  /** Undefined where the answer is our own. */
  readonly leave: CallLeave | undefined;
}

function prepare(
  call: InferenceCall,
  { breakers }: AttemptContext,
  provider: Provider,
  body: Uint8Array,
): PreparedAttempt {
  const exchange = openExchange(exchangeOptions(call.request, provider, body));
  const { model } = call.request.target;
  const leave = exchange.ownAnswer ? undefined : breakers.enter(provider.name, model);
  try {
    call.accept();
  } catch (thrown) {
    leave?.ended(toGatewayError(thrown));
    throw thrown;
  }
  return { provider, exchange, leave };
}

function exchangeOptions(
  request: InferenceRequest,
  provider: Provider,
  body: Uint8Array,
): ExchangeOptions {
  const { target, dialect, operation, stream, includeUsage, arrayStream, headers } = request;
  const { stateKey } = request;
  return {
    client: dialect,
    operation,
    provider: chooseDialect(dialect, provider.dialects),
    body,
    model: target.model,
    stream,
    includeUsage,
    arrayStream,
    headers,
    state: stateKey === undefined ? undefined : { key: stateKey, provider: target.provider },
  };
}

class Attempt {
  readonly #call: InferenceCall;
  readonly #context: AttemptContext;
  readonly #provider: Provider;
  readonly #exchange: Exchange;
  readonly #record: AttemptRecord;
  readonly #copy: CacheCopy;
  readonly #head: InferenceHead;
  readonly #leave: CallLeave | undefined;
  readonly #signal: CallStop;
  readonly #span: InferenceSpan;
  #hasHead = false;

  constructor(
    call: InferenceCall,
    context: AttemptContext,
    prepared: PreparedAttempt,
    signal: CallStop,
  ) {
    const { provider, exchange, leave } = prepared;
    const { target, stream, operation = 'generate' } = call.request;
    this.#call = call;
    this.#context = context;
    this.#provider = provider;
    this.#exchange = exchange;
    this.#leave = leave;
    this.#signal = signal;
    this.#record = new AttemptRecord(call.request, call.attempt, exchange);
    this.#copy = new CacheCopy(call.request);
    this.#head = {
      contentType: exchange.contentType,
      provider: target.provider,
      model: target.model,
    };
    this.#span = startInferenceSpan({
      operation: SPAN_OPERATIONS[operation],
      provider: spanProviderName(provider),
      requestModel: target.model,
      stream,
      serverAddress: provider.serverAddress,
      serverPort: provider.serverPort,
    });
  }

  async run(): Promise<void> {
    const error = await this.#span.run(() => this.#relay());
    this.#leave?.ended(error);
    const event = this.#record.event(error);
    const { usage, usageSource } = event;
    const { responseModel, responseId, finishReasons } = this.#exchange.facts;
    this.#span.finish({
      usage: usageSource === 'none' ? undefined : usage,
      responseModel,
      responseId,
      finishReasons,
      errorType: error?.code,
    });
    if (error !== undefined) {
      logFailure(this.#call, this.#context.logger, error, 'provider call failed');
      return this.#call.fail(error, event);
    }
    const copy = this.#copy.message(this.#head, finishReasons, usage);
    if (copy !== undefined) this.#context.bus.send(cacheStoreEndpoint, copy);
    return this.#call.end(event);
  }

  /** Moves the answer from the provider to the caller; resolves with what went wrong. */
  async #relay(): Promise<GatewayError | undefined> {
    try {
      const { ownAnswer } = this.#exchange;
      if (ownAnswer !== undefined) {
        await this.#deliver(ownAnswer);
        return undefined;
      }
      const answer = await this.#send();
      this.#record.answered(answer.status, answer.headers);
      if (answer.status < 200 || answer.status >= 300) return await this.#refusal(answer);
      this.#leave?.answering();
      if (this.#call.request.stream) await this.#relayStream(answer);
      else await this.#relayWhole(answer);
      return undefined;
    } catch (thrown) {
      return this.#describe(toGatewayError(thrown));
    }
  }

  #send(): Promise<ProviderAnswer> {
    const { requestId, request } = this.#call;
    return this.#provider.send(this.#exchange.request, {
      requestId,
      stream: request.stream,
      timeouts: this.#timeouts(),
      signal: this.#signal,
      onSent: () => this.#record.sent(),
    });
  }

  /** The total covers all attempts, so earlier ones may have used some of it. */
  #timeouts(): Timeouts {
    const { timeouts } = this.#call.request;
    const leftMs = Math.max(1, this.#call.deadlineAt - LAST_WORD_MS - Date.now());
    return { ...timeouts, totalMs: Math.min(timeouts.totalMs, leftMs) };
  }

  async #refusal(answer: ProviderAnswer): Promise<GatewayError> {
    let body: Uint8Array = new Uint8Array();
    try {
      body = await answer.readStart(ERROR_BODY_BYTES_MAX);
    } catch (thrown) {
      // The status says enough, unless it was us who stopped.
      if (this.#signal.aborted) throw thrown;
    }
    return this.#describe(this.#exchange.error(answer.status, answer.headers, body));
  }

  async #relayWhole(answer: ProviderAnswer): Promise<void> {
    const hold = this.#context.answers.hold();
    try {
      const body = await answer.readAll(ANSWER_BYTES_MAX, (bytes) => hold.add(bytes));
      this.#firstByte();
      const bytes = this.#exchange.answer(body);
      this.#record.completed();
      const delivering = this.#deliver(bytes);
      if (delivering !== undefined) await delivering;
    } finally {
      hold[Symbol.dispose]();
    }
  }

  async #relayStream(answer: ProviderAnswer): Promise<void> {
    const stream = this.#exchange.stream();
    try {
      await answer.read((bytes) => {
        this.#firstByte();
        const clientBytes = stream.push(bytes);
        if (stream.complete) this.#record.completed();
        return clientBytes.length > 0 ? this.#pass(clientBytes) : undefined;
      });
    } catch (thrown) {
      // A provider that has said its last word and then hangs up rudely has answered.
      if (!stream.complete || this.#signal.aborted || !isConnectionLoss(thrown)) throw thrown;
    }
    const rest = stream.end();
    this.#record.completed();
    await this.#deliver(rest);
  }

  /** The last of an answer. Undefined where the caller has room for it, as nearly always. */
  #deliver(bytes: Uint8Array): Promise<void> | undefined {
    const passing = this.#pass(bytes);
    return passing === undefined ? undefined : unlessAborted(passing, this.#signal);
  }

  /** To the caller. What is returned waits until it has room for more. */
  #pass(bytes: Uint8Array): Promise<void> | undefined {
    if (!this.#hasHead) {
      this.#call.head(this.#head);
      this.#hasHead = true;
    }
    if (bytes.length === 0) return undefined;
    this.#copy.add(bytes);
    return this.#call.data(bytes);
  }

  #firstByte(): void {
    this.#record.firstByte();
    this.#span.firstChunk();
  }

  /** The error as the caller may act upon it: what broke before the first byte may be tried elsewhere. */
  #describe(error: GatewayError): GatewayError {
    const facts = { ...error.facts, provider: this.#provider.name };
    if (error.code === 'stream_interrupted' && !this.#hasHead) {
      const message = `The provider ${this.#provider.name} broke off before it had answered.`;
      return new GatewayError('provider_bad_response', message, facts);
    }
    if (ERRORS[error.code].origin !== 'provider' || error.facts.provider !== undefined)
      return error;
    return new GatewayError(error.code, error.message, facts);
  }
}

/** A caller that gives no credit must not keep a worker that has to stop. */
function unlessAborted(work: Promise<void>, signal: CallStop): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function isConnectionLoss(thrown: unknown): boolean {
  if (!(thrown instanceof GatewayError)) return false;
  return thrown.code === 'stream_interrupted' || thrown.code === 'provider_timeout';
}

/** A vendor's own name for its kind, whatever the operator calls it. */
function spanProviderName({ kind, name }: Provider): string {
  return kind === 'openai-compatible' || kind === 'demo' ? name : kind;
}
