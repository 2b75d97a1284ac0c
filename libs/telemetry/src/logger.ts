import { isSpanContextValid, trace } from '@opentelemetry/api';
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { getMeter } from './metrics.ts';
import { redactFields, scrubText } from './redaction.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Characters that wait for a slow reader of standard output. Lines beyond it are dropped. */
const BUFFERED_LENGTH_MAX = 8 * 1024 * 1024;

type StandardOutput = ReturnType<typeof destination>;

let standardOutput: StandardOutput | undefined;

/**
 * Standard output, written by libuv's thread pool: a reader that stops reading blocks no event
 * loop. Lines that no longer fit are counted in `gateway.log.dropped_lines`.
 */
function openStandardOutput(): StandardOutput {
  if (standardOutput) return standardOutput;
  const dropped = getMeter('telemetry').createCounter('gateway.log.dropped_lines', {
    description: 'Log lines dropped because standard output was not read',
  });
  standardOutput = destination({ dest: 1, sync: false, maxLength: BUFFERED_LENGTH_MAX });
  standardOutput.on('drop', () => dropped.add(1));
  // Without a listener a closed pipe would end the process. There is nowhere left to say so.
  standardOutput.on('error', () => {});
  return standardOutput;
}

export type LoggerOptions = {
  readonly level?: LogLevel;
  /** The incarnation id of this process. */
  readonly instance?: string;
  /** Where lines go instead of standard output, for tests. */
  readonly output?: DestinationStream;
};

/**
 * The root logger of a process: one JSON object a line, with the trace and span id of the active
 * span. Parts of a service take `logger.child({ component })`. Headers, bodies and secrets are
 * removed, see `redaction.ts`. Call it fields first: `logger.warn({ error, attempt }, 'retrying')`.
 */
export function createLogger(service: string, options: LoggerOptions = {}): Logger {
  const { level = 'info', instance, output = openStandardOutput() } = options;
  return pino(
    {
      level,
      base: instance === undefined ? { service } : { service, instance },
      errorKey: 'error',
      timestamp: stdTimeFunctions.isoTime,
      mixin: activeTrace,
      serializers: { error: (error: unknown) => error },
      formatters: {
        level: (label) => ({ level: label }),
        bindings: redactFields,
        log: redactFields,
      },
      hooks: { streamWrite: scrubText },
    },
    output,
  );
}

function activeTrace(): Record<string, string> {
  const spanContext = trace.getActiveSpan()?.spanContext();
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return {};
  return { trace_id: spanContext.traceId, span_id: spanContext.spanId };
}

/**
 * Waits until the lines written so far are out, at most `timeoutMs`. When the reader is stuck the
 * rest is discarded, or the flush that runs inside `process.exit` would wait for it for ever.
 */
export async function flushLogs(timeoutMs: number): Promise<void> {
  const output = standardOutput;
  if (output === undefined) return;
  const flushed = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => flushed.resolve(false), timeoutMs);
  output.flush(() => flushed.resolve(true));
  const isOut = await flushed.promise;
  clearTimeout(timer);
  if (!isOut) discardLogs();
}

/** Gives up the lines that standard output has not taken yet, so that the process can exit now. */
export function discardLogs(): void {
  standardOutput?.destroy();
  standardOutput = undefined;
}
