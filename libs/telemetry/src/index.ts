export {
  ERROR_TYPE,
  GEN_AI,
  GEN_AI_METRICS,
  type GenAiOperation,
  genAiProviderName,
  HTTP,
  MESSAGING,
  MESSAGING_SYSTEM_NATS,
  SERVER,
} from './conventions.ts';
export {
  type InferenceCall,
  type InferenceOutcome,
  type InferenceSpan,
  type InferenceUsage,
  startInferenceSpan,
} from './inference-span.ts';
export type { BoundCounter, BoundHistogram, Meter } from './instruments.ts';
export { prepareLogFile } from './log-file.ts';
export {
  createLogger,
  discardLogs,
  flushLogs,
  LOG_LEVELS,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.ts';
export { getMeter, renderMetrics } from './metrics.ts';
export { neverLog } from './redaction.ts';
export { startTelemetry, type Telemetry, type TelemetryOptions } from './tracing.ts';
