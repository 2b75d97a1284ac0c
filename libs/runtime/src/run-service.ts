import { constants } from 'node:os';
import { newInstanceId } from '@gateway/protocol';
import {
  createLogger,
  discardLogs,
  flushLogs,
  type Logger,
  startTelemetry,
} from '@gateway/telemetry';
import manifest from '../package.json' with { type: 'json' };
import { type Health, HealthChecks } from './health.ts';
import { startOperationsServer } from './operations-server.ts';
import { type ProcessSettings, readProcessSettings } from './process-settings.ts';
import { readAllSettings, SettingsError } from './settings.ts';
import type { Environment } from './settings-fields.ts';
import { listenAt, StartError } from './start-error.ts';

/** EX_CONFIG of sysexits.h. */
const EXIT_WRONG_SETTINGS = 78;
const EXIT_FAILED = 1;
const LOG_FLUSH_TIMEOUT_MS = 1000;
/** How long before its end the time to drain counts as ending: at most this, or this share of it. */
const DRAIN_ENDING_MS_MAX = 3_000;
const DRAIN_ENDING_SHARE = 0.3;

/**
 * Ctrl-C under npm arrives twice, from the terminal and from npm, which passes it on. A signal
 * this soon after the first one is taken for the same one.
 */
const REPEATED_SIGNAL_MS = 500;

/** What a service is given. It may be shared by several services of one process. */
export type ServiceContext = {
  readonly name: string;
  readonly version: string;
  /** A new random id for each start, 10 characters of a-z and 2-7. */
  readonly instance: string;
  readonly logger: Logger;
  readonly health: Health;
  /** Aborted when the process begins to stop, before the service is disposed. */
  readonly signal: AbortSignal;
  /**
   * Aborted shortly before the time to drain is over: what still runs must end now, and say so to
   * whoever waits for it.
   */
  readonly drainEnding: AbortSignal;
};

export type ServiceDefinition<Settings> = {
  /** As in subjects and queue groups, for example `rate-limiter`. */
  readonly name: string;
  /** Throws a `SettingsError` with every problem. */
  readonly readSettings: (environment: Environment) => Settings;
  /**
   * Resolves when the service works. Its disposal drains it: finish what runs, take no more. Throws a
   * `StartError` for what its user can mend.
   */
  readonly start: (settings: Settings, context: ServiceContext) => Promise<AsyncDisposable>;
};

/**
 * Runs one service as this process, from its settings to its exit code. The whole of a `main.ts`:
 *
 *     import { runService } from '@gateway/runtime';
 *     import { startCache } from './cache.ts';
 *     import { readSettings } from './config.ts';
 *
 *     await runService({ name: 'cache', readSettings, start: startCache });
 *
 * Exit codes: 0 drained after SIGTERM or SIGINT; 1 the start failed, something was thrown that
 * nobody caught, or draining took longer than `GATEWAY_DRAIN_SECONDS`; 78 wrong settings, each
 * listed on standard error; 130 or 143 a second signal, which does not wait for anything. Of a start
 * that failed with a `StartError` its message is the last line on standard error.
 */
export async function runService<Settings>(definition: ServiceDefinition<Settings>): Promise<void> {
  const environment = process.env;
  let settings: { readonly process: ProcessSettings; readonly service: Settings };
  try {
    settings = readAllSettings({
      process: () => readProcessSettings(environment),
      service: () => definition.readSettings(environment),
    });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const lines = error.problems.map((problem) => `  - ${problem}\n`);
    process.stderr.write(`${definition.name} cannot start, settings are wrong:\n${lines.join('')}`);
    process.exitCode = EXIT_WRONG_SETTINGS;
    return;
  }
  process.exit(await superviseService(definition, settings.process, settings.service));
}

/**
 * The context for one of several services in a process: the same life, but its own name in log
 * lines and health checks.
 */
export function contextFor(name: string, context: ServiceContext): ServiceContext {
  return {
    ...context,
    name,
    logger: context.logger.child({ component: name }),
    health: context.health.within(name),
  };
}

async function superviseService<Settings>(
  definition: ServiceDefinition<Settings>,
  processSettings: ProcessSettings,
  settings: Settings,
): Promise<number> {
  const { name } = definition;
  const { version } = manifest;
  const instance = newInstanceId();
  const { logLevel: level, logFile: file } = processSettings;
  const logger = createLogger(name, { level, instance, file });
  const health = new HealthChecks();
  const stop = listenForStop(logger, () => health.markDraining());
  const drainEnding = new AbortController();
  const telemetry = await startTelemetry({ service: name, instance, version, logger });
  let refusal: StartError | undefined;
  try {
    const address = {
      ...{ host: processSettings.operationsHost, hostSetting: 'GATEWAY_METRICS_HOST' },
      ...{ port: processSettings.operationsPort, portSetting: 'GATEWAY_METRICS_PORT' },
    };
    await using operations = await listenAt(address, (at) =>
      startOperationsServer({ ...at, health }),
    );
    logger.info({ host: operations.host, port: operations.port }, 'operations server listens');
    const context = {
      name,
      version,
      instance,
      logger,
      health,
      signal: stop.signal,
      drainEnding: drainEnding.signal,
    };
    const starting = definition.start(settings, context);
    await Promise.race([starting, stop.requested]);
    if (!stop.signal.aborted) {
      health.markStarted();
      logger.info('started');
    }
    await stop.requested;
    const isDrained = await drain(starting, processSettings.drainMs, drainEnding, logger);
    if (!isDrained) stop.fail();
  } catch (error) {
    if (error instanceof StartError) refusal = error;
    else logger.fatal({ error }, 'start failed');
    stop.fail();
  }
  await telemetry.shutdown();
  logger.info({ exit_code: stop.exitCode() }, 'stopped');
  await flushLogs(LOG_FLUSH_TIMEOUT_MS);
  if (refusal !== undefined) process.stderr.write(`${name} cannot start: ${refusal.message}\n`);
  return stop.exitCode();
}

type Stop = {
  /** Resolves when the process shall stop. */
  readonly requested: Promise<void>;
  readonly signal: AbortSignal;
  fail(): void;
  exitCode(): number;
};

function listenForStop(logger: Logger, onStop: () => void): Stop {
  const requested = Promise.withResolvers<void>();
  const controller = new AbortController();
  let exitCode = 0;
  let firstSignalAtMs: number | undefined;

  const request = () => {
    if (controller.signal.aborted) return;
    onStop();
    controller.abort();
    requested.resolve();
  };
  const stopOnSignal = (signal: 'SIGINT' | 'SIGTERM') => {
    const nowMs = performance.now();
    if (firstSignalAtMs !== undefined && nowMs - firstSignalAtMs > REPEATED_SIGNAL_MS) {
      discardLogs();
      process.exit(128 + constants.signals[signal]);
    }
    if (firstSignalAtMs !== undefined) return;
    firstSignalAtMs = nowMs;
    logger.info({ signal }, 'draining');
    request();
  };
  const stopOnError = (error: unknown, origin: string) => {
    exitCode = EXIT_FAILED;
    logger.fatal({ error, origin }, 'an error was not caught');
    request();
  };
  process.on('SIGINT', stopOnSignal);
  process.on('SIGTERM', stopOnSignal);
  process.on('uncaughtException', stopOnError);
  process.on('unhandledRejection', (reason) => stopOnError(reason, 'unhandledRejection'));

  return {
    requested: requested.promise,
    signal: controller.signal,
    fail: () => {
      exitCode = EXIT_FAILED;
    },
    exitCode: () => exitCode,
  };
}

/** Disposes the service, even one still starting. False when that fails or takes too long. */
async function drain(
  starting: Promise<AsyncDisposable>,
  drainMs: number,
  ending: AbortController,
  logger: Logger,
): Promise<boolean> {
  const endingMs = drainMs - Math.min(DRAIN_ENDING_MS_MAX, drainMs * DRAIN_ENDING_SHARE);
  const endingTimer = setTimeout(() => ending.abort(), endingMs);
  const expired = Promise.withResolvers<false>();
  const timer = setTimeout(() => {
    logger.error({ drain_ms: drainMs }, 'draining took too long, work in flight is lost');
    expired.resolve(false);
  }, drainMs);
  const drained = starting.then(
    async (service) => {
      await service[Symbol.asyncDispose]();
      return true;
    },
    (error: unknown) => {
      logger.info({ error }, 'stopped before the start was complete');
      return true;
    },
  );
  try {
    return await Promise.race([drained, expired.promise]);
  } catch (error) {
    logger.error({ error }, 'draining failed');
    return false;
  } finally {
    clearTimeout(endingTimer);
    clearTimeout(timer);
  }
}
