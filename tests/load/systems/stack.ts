/** The five services as processes on NATS, Redis and PostgreSQL, as `npm run stack` starts them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectNatsBus } from '@gateway/bus';
import { buckets, SERVICES } from '@gateway/protocol';
import { type Stack, startStack } from '@gateway/stack';
import { repositoryRoot } from '@gateway/testing';
import { inheritedEnvironment } from '../config.ts';
import { putKeys } from './key-records.ts';
import {
  bearer,
  CHAT_PATH,
  CLIENT_KEY,
  gatewaySettings,
  type RunningSystem,
  refusedKey,
  type SystemOptions,
} from './system.ts';

export interface StackSystemOptions extends SystemOptions {
  /** Whether NATS syncs each event to the disk before it acknowledges it. */
  readonly isSynced: boolean;
}

export async function startStackSystem(options: StackSystemOptions): Promise<RunningSystem> {
  const { directory, isSynced, keys = 0 } = options;
  mkdirSync(directory, { recursive: true });
  await using resources = new AsyncDisposableStack();
  const stack = resources.use(
    await startStack({
      root: repositoryRoot,
      directory,
      environment: { ...inheritedEnvironment(), ...gatewaySettings(options) },
      httpPort: 0,
      operationsPort: 0,
      ...(isSynced && { natsConfigFile: syncedConfiguration(directory) }),
      report: () => {},
      signal: options.signal,
    }),
  );
  const refused = await refusedKey(stack.baseUrl);
  if (keys > 0) await fillBucket(stack, keys);
  const held = resources.move();
  return {
    port: Number(new URL(stack.baseUrl).port),
    path: CHAT_PATH,
    headers: bearer(CLIENT_KEY),
    refusedHeaders: bearer(refused),
    parts: {
      ...Object.fromEntries(SERVICES.map((name) => [name, stack.service(name).pid])),
      nats: stack.nats.pid,
      redis: stack.redis.pid,
      postgres: stack.postgres.pid,
    },
    ledgerUrl: stack.postgres.url,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function syncedConfiguration(directory: string): string {
  const text = readFileSync(join(repositoryRoot, 'infra/nats/nats-server.conf'), 'utf8');
  const synced = text.replace(/^jetstream: enabled$/m, 'jetstream { sync_interval: always }');
  if (synced === text) throw new Error('the configuration of NATS has no line to replace');
  const file = join(directory, 'nats-server-synced.conf');
  writeFileSync(file, synced);
  return file;
}

async function fillBucket(stack: Stack, keys: number): Promise<void> {
  const { NATS_USER = '', NATS_PASSWORD = '' } = stack.environmentOf('ingress');
  await using bus = await connectNatsBus({
    url: stack.nats.url,
    user: NATS_USER,
    password: NATS_PASSWORD,
    identity: { service: 'ingress', instance: 'benchmark' },
  });
  await putKeys(await bus.bucket(buckets.keys), keys);
}
