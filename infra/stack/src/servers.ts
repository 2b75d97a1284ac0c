/** The servers under the services, and what each service is told of them. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SERVICES, type ServiceName } from '@gateway/protocol';
import {
  type PostgresServer,
  type RunningServer,
  startNats,
  startPostgres,
  startRedis,
} from '@gateway/testing';
import type { StackSecrets } from './secrets.ts';

export interface StackServers {
  readonly nats: RunningServer;
  readonly redis: RunningServer;
  readonly postgres: PostgresServer;
}

export interface StackServersOptions {
  /** Of the repository, where NATS' configuration is. */
  readonly root: string;
  /** Another configuration of NATS, with the same users. */
  readonly natsConfigFile?: string | undefined;
  /** Gets a directory for each server. */
  readonly directory: string;
  readonly passwords: StackSecrets['nats'];
  /** Whether a commit of PostgreSQL waits for the disk. */
  readonly durable: boolean;
  readonly resources: AsyncDisposableStack;
}

/** Starts NATS with a user for each service, Redis and PostgreSQL. Throws MissingServerError. */
export async function startServers(options: StackServersOptions): Promise<StackServers> {
  const { root, directory, passwords, durable, resources } = options;
  const starting = [
    startNats({
      dataDir: join(directory, 'nats'),
      configFile: options.natsConfigFile ?? join(root, 'infra/nats/nats-server.conf'),
      environment: { ...natsPasswords(passwords), ...goRuntime() },
    }),
    startRedis({ dataDir: join(directory, 'redis') }),
    startPostgres({ dataDir: join(directory, 'postgres'), durable }),
  ] as const;
  // All of them, so that none is left behind where another does not start.
  await Promise.allSettled(starting.map(async (server) => resources.use(await server)));
  const [nats, redis, postgres] = await Promise.all(starting);
  return { nats, redis, postgres };
}

/**
 * nats-server shares this machine with its clients. Go's runtime wakes a thread on each processor to look
 * for work, and collects a few megabytes of garbage again and again: on two processors a third of what
 * the server takes for a request (210 against 145 µs, measured).
 *
 * @see https://pkg.go.dev/runtime#hdr-Environment_Variables
 */
export function goRuntime(): Record<string, string> {
  const processors = Math.max(1, Math.floor(availableParallelism() / 2));
  return { GOMAXPROCS: String(processors), GOGC: '400', GOMEMLIMIT: '1GiB' };
}

/** The variables that `infra/nats/nats-server.conf` refers to. */
function natsPasswords(passwords: StackSecrets['nats']): Record<string, string> {
  const users = [...SERVICES, 'provisioner'] as const;
  return Object.fromEntries(
    users.map((user) => [
      `NATS_${user.replaceAll('-', '_').toUpperCase()}_PASSWORD`,
      passwords[user],
    ]),
  );
}

/** Where a service reaches the servers. */
export type ServerAddresses = Readonly<Record<keyof StackServers, { readonly url: string }>>;

/** What one service needs and no other gets: its own bus user, and only its own store. */
export function serviceEnvironment(
  service: ServiceName,
  { nats, redis, postgres }: ServerAddresses,
  passwords: StackSecrets['nats'],
): Record<string, string> {
  return {
    NATS_URL: nats.url,
    NATS_USER: service,
    NATS_PASSWORD: passwords[service],
    ...(service === 'rate-limiter' && { REDIS_URL: `${redis.url}/0` }),
    ...(service === 'cache' && { REDIS_URL: `${redis.url}/1` }),
    ...(service === 'audit-writer' && { DATABASE_URL: postgres.url }),
  };
}
