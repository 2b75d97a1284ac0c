/** A proxy over NATS and Redis that does nothing else: the part of the stack's figures that is theirs. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { goRuntime } from '@gateway/stack';
import { repositoryRoot, startNats, startNodeProcess, startRedis } from '@gateway/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { CHAT_PATH, type RunningSystem, type SystemOptions } from './system.ts';

const SCRIPT = join(repositoryRoot, 'tests/load/systems/bare-bus-main.ts');
/** A prompt of 1 MiB in one message, which a proxy that does nothing else does not cut up. */
const CONFIGURATION = 'max_payload: 2MB\n';
const SERVED = ['rate-limiter', 'cache', 'provider-worker'] as const;

export async function startBareBus(options: SystemOptions): Promise<RunningSystem> {
  const { directory, upstreamPort } = options;
  mkdirSync(directory, { recursive: true });
  await using resources = new AsyncDisposableStack();
  const nats = resources.use(
    await startNats({
      dataDir: join(directory, 'nats'),
      config: CONFIGURATION,
      environment: goRuntime(),
    }),
  );
  const redis = resources.use(await startRedis({ dataDir: join(directory, 'redis') }));
  await makeStream(nats.url);
  const upstream = `http://127.0.0.1:${upstreamPort}`;
  const start = (part: string) =>
    resources.use(
      startNodeProcess({ script: SCRIPT, arguments: [part, nats.url, redis.url, upstream] }),
    );
  const served = SERVED.map((part) => [part, start(part)] as const);
  await Promise.all(served.map(([, process]) => process.waitForLine(/^ready$/)));
  const ingress = start('ingress');
  const [, port] = await ingress.waitForLine(/^listening (\d+)$/);
  const held = resources.move();
  return {
    port: Number(port),
    path: CHAT_PATH,
    headers: {},
    parts: {
      ingress: ingress.pid,
      ...Object.fromEntries(served.map(([part, { pid }]) => [part, pid])),
      nats: nats.pid,
      redis: redis.pid,
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function makeStream(url: string): Promise<void> {
  const nats = await connect({ servers: url });
  const manager = await jetstreamManager(nats);
  await manager.streams.add({ name: 'events', subjects: ['events.*'] });
  await nats.close();
}
