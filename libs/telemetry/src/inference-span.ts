import {
  type Attributes,
  type Context,
  context as contexts,
  type Span,
  SpanKind,
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

export type InferenceSpan = {
  readonly span: Span;
  /** The context in which the call runs: `context.with(inference.context, …)`. */
  readonly context: Context;
  /** Marks the arrival of the first chunk; later calls do nothing. */
  firstChunk(): void;
  /** Ends the span and records the metrics; later calls do nothing. */
  finish(outcome: InferenceOutcome): void;
};

/**
 * Starts the CLIENT span of one provider call, `{operation} {model}`, as a child of the active
 * span. Prompts and answers are never attributes.
 */
export function startInferenceSpan(call: InferenceCall): InferenceSpan {
  const startedAtMs = performance.now();
  // The server's address is the operator's own; the model may be a client's text, so it is kept
  // out of the metrics until the provider has named it.
  const dimensions: Attributes = {
    [GEN_AI.operationName]: call.operation,
    [GEN_AI.providerName]: genAiProviderName(call.provider),
    [SERVER.address]: call.serverAddress,
    [SERVER.port]: call.serverPort,
  };
  const parent = contexts.active();
  const span = tracer.startSpan(
    `${call.operation} ${call.requestModel}`,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        ...dimensions,
        [GEN_AI.requestModel]: call.requestModel,
        [GEN_AI.requestStream]: call.stream,
      },
    },
    parent,
  );
  let firstChunkSeconds: number | undefined;
  let isFinished = false;
  return {
    span,
    context: trace.setSpan(parent, span),
    firstChunk() {
      if (firstChunkSeconds !== undefined || isFinished) return;
      firstChunkSeconds = secondsSince(startedAtMs);
      span.setAttribute(GEN_AI.responseTimeToFirstChunk, firstChunkSeconds);
    },
    finish(outcome) {
      if (isFinished) return;
      isFinished = true;
      describeOutcome(span, outcome);
      span.end();
      if (outcome.responseModel !== undefined) {
        dimensions[GEN_AI.responseModel] = outcome.responseModel;
      }
      if (firstChunkSeconds !== undefined) timeToFirstChunk.record(firstChunkSeconds, dimensions);
      recordTokens(outcome.usage, dimensions);
      const { errorType } = outcome;
      const result = errorType === undefined ? {} : { [ERROR_TYPE]: errorType };
      operationDuration.record(secondsSince(startedAtMs), { ...dimensions, ...result });
    },
  };
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

function recordTokens(usage: InferenceUsage | undefined, dimensions: Attributes): void {
  if (usage?.inputTokens !== undefined) {
    tokenUsage.record(usage.inputTokens, { ...dimensions, [GEN_AI.tokenType]: 'input' });
  }
  if (usage?.outputTokens !== undefined) {
    tokenUsage.record(usage.outputTokens, { ...dimensions, [GEN_AI.tokenType]: 'output' });
  }
}
