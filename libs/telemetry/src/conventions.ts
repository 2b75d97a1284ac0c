/**
 * Names of spans, attributes and metrics, in one place because they still move.
 *
 * GenAI: https://github.com/open-telemetry/semantic-conventions-genai (v0.1.0, status Development).
 * Messaging: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ (Development;
 * the registry has no entry for NATS, so its value is ours).
 * HTTP: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ (stable).
 */

export const GEN_AI = {
  operationName: 'gen_ai.operation.name',
  providerName: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  requestStream: 'gen_ai.request.stream',
  responseModel: 'gen_ai.response.model',
  responseId: 'gen_ai.response.id',
  responseFinishReasons: 'gen_ai.response.finish_reasons',
  /** Seconds. */
  responseTimeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  /** Includes the cached ones. */
  usageInputTokens: 'gen_ai.usage.input_tokens',
  /** Includes the reasoning ones. */
  usageOutputTokens: 'gen_ai.usage.output_tokens',
  usageCacheReadInputTokens: 'gen_ai.usage.cache_read.input_tokens',
  usageCacheCreationInputTokens: 'gen_ai.usage.cache_creation.input_tokens',
  usageReasoningOutputTokens: 'gen_ai.usage.reasoning.output_tokens',
  tokenType: 'gen_ai.token.type',
} as const;

export const GEN_AI_METRICS = {
  operationDuration: 'gen_ai.client.operation.duration',
  timeToFirstChunk: 'gen_ai.client.operation.time_to_first_chunk',
  tokenUsage: 'gen_ai.client.token.usage',
} as const;

/** Those of the conventions, and one of our own, which they allow. */
export type GenAiOperation =
  | 'chat'
  | 'embeddings'
  | 'generate_content'
  | 'text_completion'
  | 'count_tokens';

/** Values of `gen_ai.provider.name` that differ from the gateway's own provider names. */
const PROVIDER_NAMES: ReadonlyMap<string, string> = new Map([
  ['google', 'gcp.gemini'],
  ['vertex', 'gcp.vertex_ai'],
  ['bedrock', 'aws.bedrock'],
  ['azure', 'azure.ai.openai'],
  ['mistral', 'mistral_ai'],
  ['xai', 'x_ai'],
]);

/** The `gen_ai.provider.name` of a provider; an unknown one keeps its own name. */
export function genAiProviderName(provider: string): string {
  return PROVIDER_NAMES.get(provider) ?? provider;
}

export const MESSAGING_SYSTEM_NATS = 'nats';

export const MESSAGING = {
  system: 'messaging.system',
  operationName: 'messaging.operation.name',
  /** `send`, `receive`, `process` or `settle`. */
  operationType: 'messaging.operation.type',
  /** Only for subjects of low cardinality; otherwise the template alone. */
  destinationName: 'messaging.destination.name',
  destinationTemplate: 'messaging.destination.template',
  consumerGroupName: 'messaging.consumer.group.name',
  batchMessageCount: 'messaging.batch.message_count',
} as const;

export const HTTP = {
  requestMethod: 'http.request.method',
  responseStatusCode: 'http.response.status_code',
  route: 'http.route',
  urlPath: 'url.path',
  urlScheme: 'url.scheme',
  clientAddress: 'client.address',
  userAgent: 'user_agent.original',
  /** Metric, seconds. */
  serverRequestDuration: 'http.server.request.duration',
} as const;

export const SERVER = { address: 'server.address', port: 'server.port' } as const;

/** One of the gateway's error codes; `_OTHER` when there is none. */
export const ERROR_TYPE = 'error.type';
