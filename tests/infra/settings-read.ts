/** What each process reads from its environment, learnt from its own readers of settings. */
import { type Environment, SettingsError } from '@gateway/runtime';
import { readSettings as readProvision } from '../../infra/provision/src/config.ts';
import { readSettings as readStack } from '../../infra/stack/src/config.ts';
import { readNatsSettings } from '../../libs/runtime/src/nats-settings.ts';
import { readProcessSettings } from '../../libs/runtime/src/process-settings.ts';
import { readSpoolSettings } from '../../libs/runtime/src/spool-settings.ts';
import { readSettings as readAllInOne } from '../../services/all-in-one/src/config.ts';
import { readSettings as readAuditWriter } from '../../services/audit-writer/src/config.ts';
import { readSettings as readCache } from '../../services/cache/src/config.ts';
import { readSettings as readIngress } from '../../services/ingress/src/config.ts';
import { readSettings as readWorker } from '../../services/provider-worker/src/config.ts';
import { readSettings as readRateLimiter } from '../../services/rate-limiter/src/config.ts';

type Reader = (environment: Environment) => unknown;

const onNats = (read: Reader): readonly Reader[] => [read, readProcessSettings, readNatsSettings];
const withSpool = (read: Reader): readonly Reader[] => [...onNats(read), readSpoolSettings];

export const READERS = {
  ingress: withSpool(readIngress),
  'rate-limiter': onNats(readRateLimiter),
  cache: onNats(readCache),
  'provider-worker': withSpool(readWorker),
  'audit-writer': withSpool(readAuditWriter),
  provision: [readProvision],
  'all-in-one': [readAllInOne, readProcessSettings],
  stack: [(environment: Environment) => readStack(environment, '')],
} satisfies Record<string, readonly Reader[]>;

export type ProcessName = keyof typeof READERS;

/** Every name that the process looks up, those of secret files included. */
export function namesRead(process: ProcessName): ReadonlySet<string> {
  const names = new Set<string>();
  const environment: Environment = new Proxy(
    {},
    {
      get: (_target, name) => {
        names.add(String(name));
        return undefined;
      },
    },
  );
  for (const read of READERS[process]) problemsOf(read, environment);
  return names;
}

/** What the process has to say against the environment. */
export function settingsProblems(
  process: ProcessName,
  environment: Environment,
): readonly string[] {
  return READERS[process].flatMap((read) => problemsOf(read, environment));
}

function problemsOf(read: Reader, environment: Environment): readonly string[] {
  try {
    read(environment);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems;
  }
}
