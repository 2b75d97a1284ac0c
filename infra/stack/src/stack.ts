/**
 * The five services as processes of their own, on a real NATS server with a user for each, a real
 * Redis and a real PostgreSQL, without Docker.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory, provisionNats } from '@gateway/bus';
import { SERVICES, type ServiceName } from '@gateway/protocol';
import { freeLoopbackPort } from '@gateway/testing';
import { expectFree } from './ports.ts';
import { loadSecrets } from './secrets.ts';
import { withoutSecretsOfOthers } from './secrets-of-others.ts';
import { type StackServers, serviceEnvironment, startServers } from './servers.ts';
import { ServiceProcess } from './service-process.ts';

/** The ingress first, so that nothing new comes in while the others finish what they have. */
const STOP_ORDER: readonly ServiceName[] = [
  'ingress',
  'provider-worker',
  'cache',
  'rate-limiter',
  'audit-writer',
];

export interface StackOptions {
  readonly root: string;
  /** Data of the servers, logs and secrets. */
  readonly directory: string;
  /** What the services inherit. */
  readonly environment: Readonly<Record<string, string>>;
  /** 0 for any free port. */
  readonly httpPort: number;
  /** Of the first service, the others following it; 0 for any free ports. */
  readonly operationsPort: number;
  /** Another configuration of NATS, with the same users. */
  readonly natsConfigFile?: string;
  readonly report: (line: string) => void;
  /** Gives the start up. */
  readonly signal: AbortSignal;
}

export interface Stack extends StackServers, AsyncDisposable {
  readonly baseUrl: string;
  readonly clientKey: string;
  readonly adminKey: string;
  service(name: ServiceName): ServiceProcess;
  /** The settings of a service's process, for one more of it; its ports are those of the first. */
  environmentOf(name: ServiceName): Readonly<Record<string, string>>;
}

/**
 * Starts everything and resolves when every service is ready. Throws MissingServerError, SettingsError,
 * and StartError where the directory or a port is in use.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { directory, report, signal } = options;
  await using resources = new AsyncDisposableStack();
  // Two NATS servers, or two Redis, on the same data would ruin it.
  resources.use(await lockDirectory(directory, 'GATEWAY_DATA_DIR'));
  await expectFree([
    { port: options.httpPort, setting: 'GATEWAY_PORT' },
    ...SERVICES.map((_, index) => ({
      port: options.operationsPort && options.operationsPort + index,
      setting: 'GATEWAY_METRICS_PORT, the first of five ports,',
    })),
  ]);
  const logDirectory = join(directory, 'logs');
  mkdirSync(logDirectory, { recursive: true });
  const secrets = loadSecrets(directory);
  const { root, natsConfigFile } = options;
  const passwords = secrets.nats;
  const servers = await startServers({
    root,
    natsConfigFile,
    directory,
    passwords,
    durable: true,
    resources,
  });
  signal.throwIfAborted();
  for (const [name, { pid, port }] of Object.entries(servers)) {
    report(line(name, pid, `${name}://127.0.0.1:${port}`));
  }
  await provisionNats({
    url: servers.nats.url,
    user: 'provisioner',
    password: passwords.provisioner,
  });
  signal.throwIfAborted();

  const httpPort = options.httpPort || (await freeLoopbackPort());
  const clientKey = options.environment.GATEWAY_API_KEY || secrets.clientKey;
  const adminKey = options.environment.GATEWAY_ADMIN_KEY || secrets.adminKey;
  const environmentOf = (service: ServiceName) => ({
    ...withoutSecretsOfOthers(options.environment, service),
    ...serviceEnvironment(service, servers, passwords),
    GATEWAY_SPOOL_DIR: join(directory, 'spool'),
    ...(service === 'ingress' && {
      GATEWAY_PORT: String(httpPort),
      GATEWAY_KEY_PEPPER: options.environment.GATEWAY_KEY_PEPPER || secrets.pepper,
      GATEWAY_API_KEY: clientKey,
      GATEWAY_ADMIN_KEY: adminKey,
    }),
  });
  const processes = new Map<ServiceName, ServiceProcess>();
  for (const [index, service] of SERVICES.entries()) {
    const operationsPort = options.operationsPort && options.operationsPort + index;
    const environment = environmentOf(service);
    processes.set(
      service,
      new ServiceProcess({ service, root, logDirectory, operationsPort, environment, report }),
    );
  }
  resources.defer(() => stopAll(processes, report));
  await allReady(processes, signal);
  for (const { service, pid, operationsUrl } of processes.values()) {
    const address = service === 'ingress' ? `http://127.0.0.1:${httpPort}` : operationsUrl;
    report(line(service, pid, address));
  }

  const held = resources.move();
  return {
    baseUrl: `http://127.0.0.1:${httpPort}`,
    clientKey,
    adminKey,
    ...servers,
    service: (name) => processes.get(name) as ServiceProcess,
    environmentOf,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Rejects as the first that does not get ready, and waits for no other then. */
async function allReady(
  processes: ReadonlyMap<ServiceName, ServiceProcess>,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const givenUp = AbortSignal.any([signal, failed.signal]);
  try {
    await Promise.all([...processes.values()].map((process) => process.ready(givenUp)));
  } finally {
    failed.abort();
  }
}

async function stopAll(
  processes: ReadonlyMap<ServiceName, ServiceProcess>,
  report: (line: string) => void,
): Promise<void> {
  for (const service of STOP_ORDER) {
    await processes.get(service)?.stop();
    report(`${service} stopped`);
  }
}

function line(name: string, pid: number, address: string): string {
  return `${name.padEnd(16)} pid ${String(pid).padEnd(8)} ${address}`;
}
