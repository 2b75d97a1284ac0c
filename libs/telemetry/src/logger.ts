import { isSpanContextValid, trace } from '@opentelemetry/api';
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { LogFile } from './log-file.ts';
import { getMeter } from './metrics.ts';
import { redactFields, scrubText } from './redaction.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Characters that wait for a slow reader of standard output. Lines beyond it are dropped. */
const BUFFERED_LENGTH_MAX = 8 * 1024 * 1024;

let standardOutput: ReturnType<typeof destination> | undefined;
let logFile: LogFile | undefined;
let isDiscarded = false;

/**
 * Standard output, written without waiting. Lines that no longer fit because the reader has stopped
 * are counted in `gateway.log.dropped_lines`.
 */
function openStandardOutput(): DestinationStream {
  standardOutput ??= openDestination();
  const output = standardOutput;
  return {
    write(line) {
      // A destroyed destination would throw.
      if (!isDiscarded) output.write(line);
    },
  };
}

function openDestination(): ReturnType<typeof destination> {
  const countDropped = dropCounter('stdout');
  // Touching process.stdout makes a pipe non-blocking. Without it one write to a stuck reader would
  // hold a thread of libuv's pool for ever, and the exit of the process, which waits for its
  // threads. A closed pipe must not end the process; there is nowhere left to say so.
  process.stdout.on('error', () => {});
  const output = destination({
    dest: 1,
    sync: false,
    // With 0 the destination's flush() would call back before anything is written.
    minLength: 1,
    maxLength: BUFFERED_LENGTH_MAX,
  });
  output.on('drop', countDropped);
  output.on('error', () => {});
  return output;
}

function dropCounter(output: 'stdout' | 'file'): () => void {
  const dropped = getMeter('telemetry').createCounter('gateway.log.dropped_lines', {
    description: 'Log lines dropped because they could not be written, or not fast enough',
  });
  return () => dropped.add(1, { output });
}

/** Lines go to both. What the file cannot take is said on standard output. */
function withFile(path: string, output: DestinationStream): DestinationStream {
  const onFailure = (error: unknown) => fileLogger.warn({ error }, 'LOG_FILE cannot be written');
  const file = new LogFile({ path, onDrop: dropCounter('file'), onFailure });
  const fileLogger = createLogger('log-file', { output });
  logFile = file;
  return {
    write(line) {
      output.write(line);
      if (!isDiscarded) file.write(line);
    },
  };
}

export type LoggerOptions = {
  readonly level?: LogLevel;
  /** The incarnation id of this process. */
  readonly instance?: string;
  /** Where lines go instead of standard output, for tests. */
  readonly output?: DestinationStream;
  /** Where lines go too; see `LogFile`. */
  readonly file?: string | undefined;
};

/**
 * The root logger of a process: one JSON object a line, with the trace and span id of the active
 * span. Parts of a service take `logger.child({ component })`. Headers, bodies and secrets are
 * removed, see `redaction.ts`. Call it fields first: `logger.warn({ error, attempt }, 'retrying')`.
 */
export function createLogger(service: string, options: LoggerOptions = {}): Logger {
  const { level = 'info', instance, file, output = openStandardOutput() } = options;
  const logger = pino(
    {
      level,
      base: instance === undefined ? { service } : { service, instance },
      errorKey: 'error',
      timestamp: stdTimeFunctions.isoTime,
      mixin: activeTrace,
      serializers: { error: (error: unknown) => error },
      formatters: {
        level: (label) => ({ level: label }),
        log: redactFields,
      },
      hooks: { streamWrite: scrubText },
    },
    file === undefined ? output : withFile(file, output),
  );
  // Formatters do not see the bindings of children. Children inherit this method.
  const makeChild = logger.child;
  logger.child = function child(this: Logger, bindings, options) {
    return makeChild.call(this, redactFields(bindings), options);
  } as Logger['child'];
  return logger;
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
  if (output === undefined || isDiscarded) return;
  const flushed = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => flushed.resolve(false), timeoutMs);
  // The file first: what it cannot take is said on standard output.
  await Promise.race([logFile?.flush(), flushed.promise]);
  output.flush(() => flushed.resolve(true));
  const isOut = await flushed.promise;
  clearTimeout(timer);
  if (!isOut) discardLogs();
}

/** Gives up the lines that are not out yet, and all later ones, so that the process can exit now. */
export function discardLogs(): void {
  isDiscarded = true;
  standardOutput?.destroy();
  logFile?.discard();
}
