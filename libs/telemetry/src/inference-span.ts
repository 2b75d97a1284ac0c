import {
  type Attributes,
  context as contexts,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  ERROR_TYPE,
  GEN_AI,
  GEN_AI_METRICS,
  type GenAiOperation,
  genAiProviderName,
  SERVER,
} from './conventions.ts';
import type { BoundHistogram } from './instruments.ts';
import { getMeter } from './metrics.ts';

/** The boundaries that the GenAI conventions ask for, in seconds and in tokens. */
const SECONDS_BOUNDARIES = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const TOKEN_BOUNDARIES = [
  1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
];

const tracer = trace.getTracer('@gateway/inference');
const meter = getMeter('inference');
const operationDuration = meter.createHistogram(GEN_AI_METRICS.operationDuration, {
  unit: 's',
  description: 'Duration of calls to providers',
  advice: { explicitBucketBoundaries: SECONDS_BOUNDARIES },
});
const timeToFirstChunk = meter.createHistogram(GEN_AI_METRICS.timeToFirstChunk, {
  unit: 's',
  description: 'Time from the call to the first chunk of the answer',
  advice: { explicitBucketBoundaries: SECONDS_BOUNDARIES },
});
const tokenUsage = meter.createHistogram(GEN_AI_METRICS.tokenUsage, {
  unit: '{token}',
  description: 'Tokens used by calls to providers',
  advice: { explicitBucketBoundaries: TOKEN_BOUNDARIES },
});

export type InferenceCall = {
  readonly operation: GenAiOperation;
  /** The gateway's name of the provider, for example `google`. */
  readonly provider: string;
  readonly requestModel: string;
  readonly stream: boolean;
  readonly serverAddress: string;
  readonly serverPort: number;
};

/**
 * Token counts, as the protocol's `Usage` has them. Input includes the cached ones, output the
 * reasoning ones.
 */
export type InferenceUsage = {
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly cachedInputTokens?: number | undefined;
  readonly cacheWriteInputTokens?: number | undefined;
  readonly reasoningTokens?: number | undefined;
};

export type InferenceOutcome = {
  readonly usage?: InferenceUsage | undefined;
  readonly responseModel?: string | undefined;
  readonly responseId?: string | undefined;
  readonly finishReasons?: readonly string[] | undefined;
  /** One of the gateway's error codes; marks the span as failed. Never a message. */
  readonly errorType?: string | undefined;
};

/** The series of one kind of call, found once: a measurement of them is an addition. */
interface Series {
  readonly call: InferenceCall;
  readonly responseModel: string | undefined;
  readonly attributes: Attributes;
  readonly duration: BoundHistogram;
  readonly timeToFirstChunk: BoundHistogram;
  readonly inputTokens: BoundHistogram;
  readonly outputTokens: BoundHistogram;
}

/** Providers name their models, so their number has to have an end. */
const KNOWN_SERIES_MAX = 1_000;
const knownSeries = new Map<string, Series>();
/** Calls of one kind come together, and comparing its parts costs less than writing its key. */
let lastSeries: Series | undefined;

/**
 * Starts the CLIENT span of one provider call, `{operation} {model}`, as a child of the active
 * span. Prompts and answers are never attributes.
 */
export function startInferenceSpan(call: InferenceCall): InferenceSpan {
  return new InferenceSpan(call);
}

export class InferenceSpan {
  readonly #call: InferenceCall;
  readonly #startedAtMs = performance.now();
  readonly #parent = contexts.active();
  readonly #span: Span;
  #firstChunkSeconds: number | undefined;
  #isFinished = false;

  constructor(call: InferenceCall) {
    this.#call = call;
    this.#span = tracer.startSpan(
      `${call.operation} ${call.requestModel}`,
      new InferenceSpanOptions(call),
      this.#parent,
    );
  }

  /** Runs the work with the span as the active one; without a recorded span there is nothing to do. */
  run<Result>(work: () => Result): Result {
    if (!this.#span.isRecording()) return work();
    return contexts.with(trace.setSpan(this.#parent, this.#span), work);
  }

  /** Marks the arrival of the first chunk; later calls do nothing. */
  firstChunk(): void {
    if (this.#firstChunkSeconds !== undefined || this.#isFinished) return;
    this.#firstChunkSeconds = secondsSince(this.#startedAtMs);
    this.#span.setAttribute(GEN_AI.responseTimeToFirstChunk, this.#firstChunkSeconds);
  }

  /** Ends the span and records the metrics; later calls do nothing. */
  finish(outcome: InferenceOutcome): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    if (this.#span.isRecording()) describeOutcome(this.#span, outcome);
    this.#span.end();
    const series = seriesOf(this.#call, outcome.responseModel);
    if (this.#firstChunkSeconds !== undefined) {
      series.timeToFirstChunk.record(this.#firstChunkSeconds);
    }
    const { usage, errorType } = outcome;
    if (usage?.inputTokens !== undefined) series.inputTokens.record(usage.inputTokens);
    if (usage?.outputTokens !== undefined) series.outputTokens.record(usage.outputTokens);
    const seconds = secondsSince(this.#startedAtMs);
    if (errorType === undefined) series.duration.record(seconds);
    else operationDuration.record(seconds, { ...series.attributes, [ERROR_TYPE]: errorType });
  }
}

class InferenceSpanOptions implements SpanOptions {
  readonly kind = SpanKind.CLIENT;
  readonly #call: InferenceCall;

  constructor(call: InferenceCall) {
    this.#call = call;
  }

  /** Made when they are read: without an exporter nobody does, and they cost 2 µs to build. */
  get attributes(): Attributes {
    return {
      ...dimensionsOf(this.#call),
      [GEN_AI.requestModel]: this.#call.requestModel,
      [GEN_AI.requestStream]: this.#call.stream,
    };
  }
}

/**
 * The server's address is the operator's own; the model may be a client's text, so it is kept out
 * of the metrics until the provider has named it.
 */
function dimensionsOf(call: InferenceCall): Attributes {
  return {
    [GEN_AI.operationName]: call.operation,
    [GEN_AI.providerName]: genAiProviderName(call.provider),
    [SERVER.address]: call.serverAddress,
    [SERVER.port]: call.serverPort,
  };
}

function seriesOf(call: InferenceCall, responseModel: string | undefined): Series {
  if (lastSeries !== undefined && isOf(lastSeries, call, responseModel)) return lastSeries;
  lastSeries = findSeries(call, responseModel);
  return lastSeries;
}

function isOf(series: Series, call: InferenceCall, responseModel: string | undefined): boolean {
  const known = series.call;
  return (
    series.responseModel === responseModel &&
    known.operation === call.operation &&
    known.provider === call.provider &&
    known.serverAddress === call.serverAddress &&
    known.serverPort === call.serverPort
  );
}

function findSeries(call: InferenceCall, responseModel: string | undefined): Series {
  const { operation, provider, serverAddress, serverPort } = call;
  const key = `${operation}\n${provider}\n${serverAddress}\n${serverPort}\n${responseModel ?? ''}`;
  const known = knownSeries.get(key);
  if (known !== undefined) return known;
  const attributes = dimensionsOf(call);
  if (responseModel !== undefined) attributes[GEN_AI.responseModel] = responseModel;
  const series: Series = {
    call,
    responseModel,
    attributes,
    duration: operationDuration.bind(attributes),
    timeToFirstChunk: timeToFirstChunk.bind(attributes),
    inputTokens: tokenUsage.bind({ ...attributes, [GEN_AI.tokenType]: 'input' }),
    outputTokens: tokenUsage.bind({ ...attributes, [GEN_AI.tokenType]: 'output' }),
  };
  if (knownSeries.size < KNOWN_SERIES_MAX) knownSeries.set(key, series);
  return series;
}

function secondsSince(startedAtMs: number): number {
  return (performance.now() - startedAtMs) / 1000;
}

function describeOutcome(span: Span, outcome: InferenceOutcome): void {
  const { usage, errorType } = outcome;
  const attributes: Attributes = {
    [GEN_AI.responseModel]: outcome.responseModel,
    [GEN_AI.responseId]: outcome.responseId,
    [GEN_AI.responseFinishReasons]: outcome.finishReasons && [...outcome.finishReasons],
    [GEN_AI.usageInputTokens]: usage?.inputTokens,
    [GEN_AI.usageOutputTokens]: usage?.outputTokens,
    [GEN_AI.usageCacheReadInputTokens]: usage?.cachedInputTokens,
    [GEN_AI.usageCacheCreationInputTokens]: usage?.cacheWriteInputTokens,
    [GEN_AI.usageReasoningOutputTokens]: usage?.reasoningTokens,
    [ERROR_TYPE]: errorType,
  };
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) span.setAttribute(name, value);
  }
  if (errorType !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
}
