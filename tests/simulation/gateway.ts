/** The simulated gateway: its services on their machines, NATS between them, and what they left behind. */
import type { Configuration, KeyRecord } from '@gateway/protocol';
import { mergeStates } from '../../services/audit-writer/src/row.ts';
import { MemoryLimitStore } from '../../services/rate-limiter/src/memory-limit-store.ts';
import type { AuditWriterProcess, Merge, Table } from './audit-writer-process.ts';
import type { ClientConnection } from './client-connection.ts';
import { EventLog } from './event-log.ts';
import { Machine, type MachineSetup } from './machine.ts';
import { NatsServer, type WireMessage } from './nats-server.ts';
import { type Schedule, SKEW_MAX_MS } from './schedule.ts';
import { beginAuditWriter, beginIngress, beginLimiter, beginWorker } from './services.ts';
import { SimulatedProviders } from './simulated-provider.ts';
import type { VirtualTime } from './virtual-time.ts';
import { WatchedLimiter } from './watched-limiter.ts';

/** One request as its client and the world know it. */
export interface JournalEntry {
  readonly requestId: string;
  readonly stream: boolean;
  readonly connection: ClientConnection;
  readonly deadlineAt: number;
  ingressDied: boolean;
}

/** Parts broken on purpose, to see that the checks notice. */
export interface BrokenParts {
  readonly merge?: Merge;
  readonly limitStore?: (nowMs: () => number) => MemoryLimitStore;
  readonly tamper?: (message: WireMessage) => WireMessage | undefined;
  readonly acknowledgesFirst?: boolean;
  /** Published events count as stored at once, without being so. */
  readonly trustsPublish?: boolean;
  readonly workerSkewMs?: number;
  /** Besides what the seed says: a writer killed soon after each request has come. */
  readonly killsWriters?: boolean;
}

export const KEYS: readonly KeyRecord[] = [
  keyOf('free', {}),
  keyOf('windowed', { limit: { requests: 2, windowSeconds: 3 } }),
  keyOf('slotted', { concurrency: 1 }),
];

export class Gateway {
  readonly time: VirtualTime;
  readonly schedule: Schedule;
  readonly broken: BrokenParts;
  readonly log: EventLog;
  readonly nats: NatsServer;
  readonly providers: SimulatedProviders;
  readonly limiter: WatchedLimiter;
  readonly configuration: Configuration;
  readonly table: Table = new Map();
  readonly merge: Merge;
  readonly journal: JournalEntry[] = [];
  readonly violations: string[] = [];
  readonly ingresses: readonly Machine[];
  readonly workers: readonly Machine[];
  readonly limiters: readonly Machine[];
  readonly writer: Machine;
  /** By when the last attempt of a request had to be accepted. */
  readonly acceptBy = new Map<string, number>();
  auditWriter: AuditWriterProcess | undefined;

  constructor(time: VirtualTime, schedule: Schedule, broken: BrokenParts) {
    this.time = time;
    this.schedule = schedule;
    this.broken = broken;
    this.merge = broken.merge ?? mergeStates;
    this.log = new EventLog(time);
    this.log.stored = () => {
      const { running } = this.writer;
      // The server's push reaches a process that may stand still.
      if (running) time.after(1, running.process, () => this.auditWriter?.wake());
    };
    const harshness = schedule.isHarsh ? { drops: 0.02, repeats: 0.02, strays: 0.03 } : undefined;
    const { tamper } = broken;
    this.nats = new NatsServer({ ...{ time, harshness, log: this.log }, tamper });
    this.providers = new SimulatedProviders(time, schedule.health, (id) => this.#called(id));
    const nowMs = () => Math.floor(time.now);
    const store = broken.limitStore?.(nowMs) ?? new MemoryLimitStore({ nowMs });
    this.limiter = new WatchedLimiter(store, time, this.violated);
    this.configuration = configurationOf(schedule);
    const machine = (service: MachineSetup['service'], number: number, skewMs: number) => {
      const begin = BEGINNINGS[service];
      const { nats: server, violated } = this;
      return new Machine({
        ...{ time, server, service, number, skewMs, violated },
        begin: (incarnation) => begin(this, incarnation),
      });
    };
    const [first = 0, second = 0, third = 0, fourth = 0] = schedule.skewsMs;
    const workerSkewMs = broken.workerSkewMs ?? 0;
    this.workers = [
      machine('provider-worker', 0, third + workerSkewMs),
      machine('provider-worker', 1, fourth + workerSkewMs),
    ];
    this.limiters = [machine('rate-limiter', 0, 0), machine('rate-limiter', 1, 0)];
    this.writer = machine('audit-writer', 0, 0);
    this.ingresses = [machine('ingress', 0, first), machine('ingress', 1, second)];
  }

  keyOf(number: number): KeyRecord {
    return KEYS[number] as KeyRecord;
  }

  get machines(): readonly Machine[] {
    return [...this.ingresses, ...this.workers, ...this.limiters, this.writer];
  }

  readonly violated = (what: string): void => {
    this.time.note(`VIOLATED ${what}`);
    this.violations.push(what);
  };

  /** Bytes of the windows of all calls. */
  readonly openWindows = (): number =>
    this.ingresses.reduce((sum, { running }) => sum + (running?.bus.openWindowBytes ?? 0), 0);

  /** What must be true at the moment in which a worker, having accepted, turns to a provider. */
  #called(requestId: string): void {
    const { now } = this.time;
    if (!this.log.isStored(`${requestId}:received`)) {
      this.violated(`${requestId}: called before it was on record`);
    }
    const allowedMs = 2 * SKEW_MAX_MS;
    if (now > (this.acceptBy.get(requestId) ?? 0) + allowedMs) {
      this.violated(`${requestId}: called later than it had to be accepted`);
    }
    const entry = this.journal.find((one) => one.requestId === requestId);
    if (entry === undefined) this.violated(`${requestId}: called for no request`);
    else if (now > entry.deadlineAt + allowedMs) {
      this.violated(`${requestId}: called after its deadline`);
    }
  }
}

const BEGINNINGS = {
  ingress: beginIngress,
  'provider-worker': beginWorker,
  'rate-limiter': beginLimiter,
  'audit-writer': beginAuditWriter,
  cache: () => () => undefined,
};

function keyOf(id: string, limits: Pick<KeyRecord, 'limit' | 'concurrency'>): KeyRecord {
  return {
    ...{ schema: 1, id, tenant: id, name: id, role: 'client', digest: '0'.repeat(64) },
    createdAt: '2026-01-01T00:00:00Z',
    ...limits,
  };
}

function configurationOf({ totalMs, clientLeaves }: Schedule): Configuration {
  const provider = (name: string) => ({ name, kind: 'openai-compatible' as const });
  const targets = [{ provider: 'alpha' }, { provider: 'beta' }];
  return {
    schema: 1,
    revision: '0123456789abcdef',
    providers: [provider('alpha'), provider('beta')],
    models: [{ match: 'm', targets, clientLeaves }],
    timeouts: { connectMs: 1_000, firstByteMs: totalMs, idleMs: totalMs, totalMs },
    cache: { enabled: false, ttlSeconds: 1 },
  };
}
