/**
 * The gateway as it runs in production, on this machine and at the mercy of a test: a real
 * nats-server with the permissions and the provisioning of `infra/nats`, Redis, PostgreSQL, the
 * provider simulator, and as many processes of each service as are wanted.
 *
 *     await using cluster = await startCluster({
 *       processes: { 'provider-worker': 2 },           // one of each otherwise
 *       proxied: { ingress: ['nats'] },                // a fault proxy on these links; none otherwise
 *     });
 *     const asking = cluster.begin({ text: 'sim:tokens=50;drip=20ms', stream: true });
 *     await asking.received();
 *     await cluster.process('provider-worker-1').kill();     // pause, resume, terminate, restart …
 *     await cluster.process('ingress-1').link('nats').down();
 *     cluster.nats.pause();                                  // and .redis, .postgres: kill, restart …
 *     const answer = await asking.answer;                    // status, end, text, error code
 *     await cluster.quiet();                                 // every event is settled
 *     expect(await cluster.problems([answer])).toEqual([]);  // clients, ledger and provider agree
 *
 * Ids of processes are `<service>-<number>`, numbered from 1. A process keeps its ports, settings
 * and data directory over restarts. Nothing restarts by itself, and everything ends with this process.
 * The simulator runs in this process: `cluster.simulator.ledger` is the provider's own account.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provisionNats } from '@gateway/bus';
import { SERVICES, type ServiceName } from '@gateway/protocol';
import {
  loadSecrets,
  type ServerAddresses,
  type StackSecrets,
  type StackServers,
  serviceEnvironment,
  startServers,
} from '@gateway/stack';
import {
  type FaultProxy,
  freeLoopbackPort,
  type LedgerEntry,
  repositoryRoot,
  type Simulator,
  type SimulatorOptions,
  startFaultProxy,
  startSimulator,
  waitFor,
} from '@gateway/testing';
import { type LedgerRow, readRows, runSql } from './audit-rows.ts';
import { BusControl } from './bus-control.ts';
import { type Answer, type Asked, type Asking, beginAsking } from './client.ts';
import { ClusterProcess, type LinkName } from './cluster-process.ts';
import { FillableDisk } from './fillable-disk.ts';
import { type LedgerStory, ledgerProblems } from './ledger-problems.ts';

/** Nothing waits for minutes here. */
const CONFIGURATION = `\
timeouts: { connect_seconds: 1, first_byte_seconds: 4, idle_seconds: 3, total_seconds: 20 }
`;
const ACKNOWLEDGE_WITHIN_MS = 3_000;
const QUIET_TIMEOUT_MS = 30_000;
const QUIET_INTERVAL_MS = 50;

export interface ClusterOptions {
  /** How many of each service, 0 too; default one. */
  readonly processes?: Partial<Readonly<Record<ServiceName, number>>>;
  /** The links of a service's processes that lead through a fault proxy. Default none. */
  readonly proxied?: Partial<Readonly<Record<ServiceName, readonly LinkName[]>>>;
  /** The text of the configuration file. Default one with short timeouts. */
  readonly configuration?: string;
  /** More settings of every process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** More settings of the processes of a service. */
  readonly environments?: Partial<Readonly<Record<ServiceName, Readonly<Record<string, string>>>>>;
  /** Flags of Node for the processes of a service. */
  readonly nodeArguments?: Partial<Readonly<Record<ServiceName, readonly string[]>>>;
  readonly simulator?: SimulatorOptions;
  /**
   * In which time the audit-writer settles an event before another one may; default 3 s, against
   * 30 s in production, so that a test need not wait so long for what a killed writer had taken.
   */
  readonly acknowledgeWithinMs?: number;
  /** What a server keeps, or the spools, is on a disk that can be filled. Only root may mount it. */
  readonly disks?: readonly DiskName[];
  /** False: neither provisioned nor started; `provision()` and the processes' `start()` do it. */
  readonly start?: boolean;
}

export type DiskName = keyof StackServers | 'spool';

export interface AskedWhere {
  /** The id of an ingress; default `ingress-1`. */
  readonly ingress?: string;
  /** Default the client key of the settings. */
  readonly key?: string;
}

export interface Cluster extends StackServers, AsyncDisposable {
  readonly clientKey: string;
  readonly adminKey: string;
  readonly simulator: Simulator;
  readonly bus: BusControl;
  /** Everything that the cluster keeps, removed with it. */
  readonly directory: string;
  readonly processes: readonly ClusterProcess[];
  process(id: string): ClusterProcess;
  /** A disk that the cluster was asked for. */
  disk(name: DiskName): FillableDisk;
  /** Streams, consumers and buckets, as in production but for the time to acknowledge. */
  provision(): Promise<void>;
  /** Begins a chat completion. */
  begin(asked?: Asked, where?: AskedWhere): Asking;
  /** A chat completion from begin to end. Never rejects. */
  ask(asked?: Asked, where?: AskedWhere): Promise<Answer>;
  /** Calls the admin API. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** Creates a client key through it, with the body given, and resolves with its id and text. */
  createKey(body?: object): Promise<{ readonly id: string; readonly key: string }>;
  /** Rows of the audit from PostgreSQL, all or of these requests. */
  rows(requestIds?: readonly string[]): Promise<LedgerRow[]>;
  /** A statement on PostgreSQL, past every proxy. */
  sql(statement: string): Promise<Record<string, unknown>[]>;
  /** The calls that a request led to, as the provider counted them. */
  calls(requestId: string | undefined): readonly Readonly<LedgerEntry>[];
  /** Resolves when all events are settled, each row is finished and every spool of a process that
   * runs is empty; at most 30 s by default. */
  quiet(timeoutMs?: number): Promise<void>;
  /** What clients, ledger and provider do not agree on, over the whole life of the cluster. */
  problems(
    answers: readonly Answer[],
    more?: Pick<LedgerStory, 'unheardAttempts'>,
  ): Promise<string[]>;
}

/** Starts everything; resolves when every process is ready. Throws MissingServerError. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  await using resources = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'gateway-cluster-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const disks = new Map<DiskName, FillableDisk>();
  for (const name of options.disks ?? []) {
    disks.set(name, resources.use(await FillableDisk.mount(join(directory, name))));
  }
  const secrets = loadSecrets(directory);
  const passwords = secrets.nats;
  const simulator = resources.use(await startSimulator(options.simulator));
  const servers = await startServers({
    root: repositoryRoot,
    directory,
    passwords,
    durable: false,
    resources,
  });
  const processes = await makeProcesses(
    { options, directory, secrets, simulator, servers },
    resources,
  );
  const bus = new BusControl({ url: servers.nats.url, passwords });
  const provision = async () => {
    const password = passwords.provisioner;
    await provisionNats({ url: servers.nats.url, user: 'provisioner', password });
    await bus.acknowledgeWithin(options.acknowledgeWithinMs ?? ACKNOWLEDGE_WITHIN_MS);
  };
  resources.defer(async () => {
    await Promise.all(processes.map((process) => process.isRunning && process.kill()));
  });
  if (options.start ?? true) {
    await provision();
    await Promise.all(processes.map((process) => process.start()));
  }
  const held = resources.move();
  return {
    ...servers,
    clientKey: secrets.clientKey,
    adminKey: secrets.adminKey,
    simulator,
    bus,
    directory,
    processes,
    disk: (name) => {
      const disk = disks.get(name);
      if (disk === undefined) throw new Error(`the cluster was asked for no disk under ${name}`);
      return disk;
    },
    provision,
    ...requestsTo({ processes, secrets, simulator, servers, bus }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

interface Parts {
  readonly options: ClusterOptions;
  readonly directory: string;
  readonly secrets: StackSecrets;
  readonly simulator: Simulator;
  readonly servers: StackServers;
}

async function makeProcesses(
  parts: Parts,
  resources: AsyncDisposableStack,
): Promise<ClusterProcess[]> {
  const { options, directory } = parts;
  const configuration = join(directory, 'gateway.yaml');
  await writeFile(configuration, options.configuration ?? CONFIGURATION);
  const wanted = SERVICES.flatMap((service) =>
    Array.from({ length: options.processes?.[service] ?? 1 }, (_, index) => ({
      service,
      number: index + 1,
    })),
  );
  return Promise.all(
    wanted.map(async ({ service, number }) => {
      const dataDirectory = join(directory, `${service}-${number}`);
      await mkdir(dataDirectory);
      const links = await makeLinks(parts, options.proxied?.[service] ?? [], resources);
      const httpPort = service === 'ingress' ? await freeLoopbackPort() : undefined;
      const operationsPort = await freeLoopbackPort();
      return new ClusterProcess({
        service,
        number,
        dataDirectory,
        links,
        operationsPort,
        ...(httpPort !== undefined && { httpPort }),
        nodeArguments: options.nodeArguments?.[service] ?? [],
        environment: {
          GATEWAY_DATA_DIR: dataDirectory,
          // One for all, so that a replica sends what a process that died has left.
          GATEWAY_SPOOL_DIR: join(directory, 'spool'),
          GATEWAY_METRICS_PORT: String(operationsPort),
          // No balancer has to notice that an ingress leaves, and nothing waits for long.
          GATEWAY_LAME_DUCK_SECONDS: '0',
          AUDIT_GRACE_SECONDS: '1',
          ...environmentOf(service, parts, links),
          ...(service === 'ingress' && {
            GATEWAY_PORT: String(httpPort),
            GATEWAY_CONFIG: configuration,
          }),
          ...options.environment,
          ...options.environments?.[service],
        },
      });
    }),
  );
}

async function makeLinks(
  { servers, simulator }: Parts,
  names: readonly LinkName[],
  resources: AsyncDisposableStack,
): Promise<Map<LinkName, FaultProxy>> {
  const ports = { provider: simulator.port, ...portsOf(servers) };
  const links = new Map<LinkName, FaultProxy>();
  for (const name of names) {
    links.set(name, resources.use(await startFaultProxy({ targetPort: ports[name] })));
  }
  return links;
}

function portsOf({ nats, redis, postgres }: StackServers) {
  return { nats: nats.port, redis: redis.port, postgres: postgres.port };
}

function environmentOf(
  service: ServiceName,
  { servers, secrets, simulator }: Parts,
  links: ReadonlyMap<LinkName, FaultProxy>,
): Record<string, string> {
  const through = (url: string, name: LinkName) => {
    const proxy = links.get(name);
    return proxy === undefined ? url : url.replace(/:\d+(?=\/|$)/, `:${proxy.port}`);
  };
  const addresses: ServerAddresses = {
    nats: { url: through(servers.nats.url, 'nats') },
    redis: { url: through(servers.redis.url, 'redis') },
    postgres: { url: through(servers.postgres.url, 'postgres') },
  };
  const { openai, anthropic, google } = simulator.baseUrls;
  return {
    ...serviceEnvironment(service, addresses, secrets.nats),
    ...(service === 'ingress' && {
      GATEWAY_KEY_PEPPER: secrets.pepper,
      GATEWAY_API_KEY: secrets.clientKey,
      GATEWAY_ADMIN_KEY: secrets.adminKey,
    }),
    ...(service === 'provider-worker' && {
      OPENAI_API_KEY: 'simulator',
      OPENAI_BASE_URL: through(openai, 'provider'),
      ANTHROPIC_API_KEY: 'simulator',
      ANTHROPIC_BASE_URL: through(anthropic, 'provider'),
      GOOGLE_AI_API_KEY: 'simulator',
      GOOGLE_AI_BASE_URL: through(google, 'provider'),
    }),
  };
}

type Requests = Omit<
  Cluster,
  | keyof StackServers
  | 'clientKey'
  | 'adminKey'
  | 'simulator'
  | 'bus'
  | 'directory'
  | 'processes'
  | 'disk'
  | 'provision'
  | typeof Symbol.asyncDispose
>;

function requestsTo(parts: {
  readonly processes: readonly ClusterProcess[];
  readonly secrets: StackSecrets;
  readonly simulator: Simulator;
  readonly servers: StackServers;
  readonly bus: BusControl;
}): Requests {
  const { processes, secrets, simulator, servers, bus } = parts;
  const process = (id: string) => {
    const found = processes.find((candidate) => candidate.id === id);
    if (found === undefined) throw new Error(`there is no process ${id}`);
    return found;
  };
  const begin = (asked: Asked = {}, { ingress = 'ingress-1', key }: AskedWhere = {}) =>
    beginAsking(process(ingress).baseUrl, key ?? secrets.clientKey, asked);
  const rows = (requestIds?: readonly string[]) => readRows(servers.postgres.url, requestIds);
  const admin = (path: string, init: RequestInit = {}) => {
    const running = processes.find(({ service, isRunning }) => service === 'ingress' && isRunning);
    const headers = {
      authorization: `Bearer ${secrets.adminKey}`,
      ...(init.body && { 'content-type': 'application/json' }),
    };
    return fetch(`${running?.baseUrl}${path}`, { ...init, headers });
  };
  const isQuiet = async () => {
    const { pending, stored } = await bus.backlog();
    if (pending > 0 || stored > 0) throw new Error(`${stored} events are not settled`);
    const unfinished = (await rows()).filter(({ status }) => status === null);
    if (unfinished.length > 0) throw new Error(`${unfinished.length} rows are not finished`);
    const running = processes.filter(({ isRunning }) => isRunning);
    const spooled = await Promise.all(running.map((one) => one.metric('gateway_spool_events')));
    if (spooled.some((events) => events > 0)) throw new Error('events wait in spools');
    return true;
  };
  return {
    process,
    begin,
    ask: (asked, where) => begin(asked, where).answer,
    admin,
    createKey: async (body = {}) => {
      const text = JSON.stringify({ name: 'a key of a test', ...body });
      const response = await admin('/admin/v1/keys', { method: 'POST', body: text });
      if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
      return (await response.json()) as { id: string; key: string };
    },
    rows,
    sql: (statement) => runSql(servers.postgres.url, statement),
    calls: (requestId) =>
      simulator.ledger.filter(({ headers }) => headers['x-gateway-request-id'] === requestId),
    quiet: async (timeoutMs = QUIET_TIMEOUT_MS) => {
      const what = 'all events to be settled';
      await waitFor(isQuiet, { what, timeoutMs, intervalMs: QUIET_INTERVAL_MS });
    },
    problems: async (answers, more) => {
      const ofClients = (await rows()).filter(({ endpoint }) => !endpoint.startsWith('/admin/'));
      // What costs nothing, such as a list of models, is not in the ledger.
      const calls = simulator.ledger.filter(({ method }) => method === 'POST');
      return ledgerProblems({ answers, rows: ofClients, calls, ...more });
    },
  };
}
