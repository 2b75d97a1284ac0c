import { LOG_LEVELS, prepareLogFile } from '@gateway/telemetry';
import { parseSettings } from './settings.ts';
import { type Environment, oneOf, port, seconds, text } from './settings-fields.ts';

export type ProcessSettings = ReturnType<typeof readProcessSettings>;

/** The settings that every process of the gateway has. */
export function readProcessSettings(environment: Environment) {
  return parseSettings(
    {
      logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, {
        default: 'info',
        description: 'the least severe log lines to write',
      }),
      logFile: text('LOG_FILE', {
        optional: true,
        description: 'a file for log lines besides standard output: 5 files of 10 MiB at most',
      }),
      operationsHost: text('GATEWAY_METRICS_HOST', {
        default: '127.0.0.1',
        description: 'the address for /livez, /readyz and /metrics',
      }),
      operationsPort: port('GATEWAY_METRICS_PORT', {
        default: 9464,
        description: 'the port for /livez, /readyz and /metrics; 0 for any',
      }),
      drainMs: seconds('GATEWAY_DRAIN_SECONDS', {
        default: 30_000,
        max: 3600,
        description: 'how long work in flight may take to end after SIGTERM',
      }),
    },
    environment,
    ({ logFile }, report) => {
      const problem = logFile === undefined ? undefined : whyUnwritable(logFile);
      if (problem !== undefined)
        report(`LOG_FILE names a file that cannot be written (${problem})`);
    },
  );
}

function whyUnwritable(logFile: string): string | undefined {
  try {
    prepareLogFile(logFile);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
  }
}
