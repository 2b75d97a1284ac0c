/**
 * What a process keeps while JetStream takes no events: its own spool, and those that it adopted from
 * processes of the same service that died.
 *
 *     <directory>/<service>/<instance>/     one process' log, held by its owner
 *     <directory>/<service>/refused/        what JetStream will never take
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import type { SpoolState } from '../bus.ts';
import type { Clock } from '../calls/clock.ts';
import { admissionMark, type Logger } from '../log/durable-log.ts';
import type { LogMessage } from '../log/log-record.ts';
import { RefusedEvents } from './refused-events.ts';
import { isSpoolDirectory, SpoolDirectory } from './spool-directory.ts';
import { type ReplayPort, SpoolReplay } from './spool-replay.ts';

/** How often it is looked for spools whose owner died. */
const ADOPT_INTERVAL_MS = 5_000;
/** Held at once; each costs two open files. */
const ADOPTED_MAX = 16;
/** How long a stop waits for a replay that goes well. */
const FLUSH_TIMEOUT_MS = 1_000;
const REFUSED_DIRECTORY = 'refused';

export interface SpoolOptions {
  /** The same one may serve every service and replica of a machine. */
  readonly directory: string;
  /** Of the spool of one process. */
  readonly bytesMax: number;
}

export interface SpoolSetup extends SpoolOptions {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly port: ReplayPort;
}

const meter = getMeter('bus');
const replayedEvents = meter.createCounter('gateway.spool.replayed', {
  description: 'Spooled events that JetStream has taken',
});
const waitingEvents = meter.createObservableGauge('gateway.spool.events', {
  description: 'Events that wait in the spool for JetStream',
});
const waitingBytes = meter.createObservableGauge('gateway.spool.bytes', {
  unit: 'By',
  description: 'Size of the spool',
});

export class Spool {
  readonly #setup: SpoolSetup;
  readonly #own: SpoolDirectory;
  readonly #adopted: SpoolDirectory[] = [];
  readonly #replay: SpoolReplay;
  readonly #adoptTimer: NodeJS.Timeout;
  #adopting: Promise<void> | undefined;
  #removing: Promise<unknown> | undefined;
  #emptied: (() => void) | undefined;
  #closed = false;

  private constructor(setup: SpoolSetup, own: SpoolDirectory) {
    this.#setup = setup;
    this.#own = own;
    const { clock, logger, port } = setup;
    this.#replay = new SpoolReplay({
      ...{ port, clock, logger },
      sources: () => [...this.#adopted, this.#own],
      refused: new RefusedEvents(join(this.#base, REFUSED_DIRECTORY)),
      replayed: (source, count) => this.#replayed(source, count),
    });
    this.#adoptTimer = setInterval(() => this.#adoptAll(), ADOPT_INTERVAL_MS).unref();
    waitingEvents.addCallback(this.#observeEvents);
    waitingBytes.addCallback(this.#observeBytes);
    this.#adoptAll();
  }

  /** Throws when the directory cannot be written. */
  static async open(setup: SpoolSetup): Promise<Spool> {
    const { directory, identity, bytesMax, clock, logger } = setup;
    const base = join(directory, identity.service);
    await mkdir(base, { recursive: true, mode: 0o700 });
    const path = join(base, identity.instance);
    return new Spool(setup, await SpoolDirectory.create({ path, bytesMax, clock, logger }));
  }

  get state(): SpoolState {
    const all = [...this.#adopted, this.#own];
    const bytes = all.reduce((sum, spool) => sum + spool.bytes, 0);
    const isBelowMark = bytes < admissionMark(this.#setup.bytesMax);
    return {
      events: all.reduce((sum, spool) => sum + spool.events, 0),
      bytes,
      admits: isBelowMark && this.#own.outage === undefined,
    };
  }

  /** Whether nothing of this process waits; else what is recorded goes behind that. */
  get isEmpty(): boolean {
    return this.#own.isEmpty;
  }

  /** Resolves once the event is on disk. Throws `audit_unavailable` when it is full, or the disk fails. */
  async append(message: LogMessage): Promise<void> {
    if (this.isEmpty) this.#setup.logger.warn({}, 'JetStream takes no events, they are spooled');
    await this.#own.append(message);
    this.#replay.notify();
  }

  /** JetStream may take events again. */
  retryNow(): void {
    this.#replay.retryNow();
  }

  /** Resolves when nothing waits, or soon. */
  async flush(): Promise<void> {
    if (this.state.events === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    const callOff = this.#setup.clock.after(FLUSH_TIMEOUT_MS, resolve);
    this.#replay.retryNow();
    await promise;
    callOff();
  }

  /** Leaves what waits to a successor. Publishes that are under way must end by themselves. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#adoptTimer);
    waitingEvents.removeCallback(this.#observeEvents);
    waitingBytes.removeCallback(this.#observeBytes);
    await this.#adopting;
    await this.#replay.stop();
    await this.#removing;
    const { events } = this.state;
    if (events > 0) this.#setup.logger.warn({ events }, 'events stay in the spool for a successor');
    for (const spool of [...this.#adopted.splice(0), this.#own]) await spool.close();
  }

  get #base(): string {
    return join(this.#setup.directory, this.#setup.identity.service);
  }

  readonly #observeEvents = (result: { observe(value: number): void }) =>
    result.observe(this.state.events);

  readonly #observeBytes = (result: { observe(value: number): void }) =>
    result.observe(this.state.bytes);

  #replayed(source: SpoolDirectory, count: number): void {
    replayedEvents.add(count);
    const index = this.#adopted.indexOf(source);
    if (source.isEmpty && index >= 0) {
      this.#adopted.splice(index, 1);
      this.#setup.logger.warn({ path: source.path }, 'replayed the spool of a process that died');
      this.#removing = Promise.all([this.#removing, this.#remove(source)]);
    }
    if (this.state.events === 0) this.#emptied?.();
  }

  async #remove(source: SpoolDirectory): Promise<void> {
    try {
      await source.close();
    } catch (error) {
      this.#setup.logger.error({ error, path: source.path }, 'cannot remove a replayed spool');
    }
  }

  #adoptAll(): void {
    this.#adopting ??= this.#adopt()
      .catch((error: unknown) => {
        this.#setup.logger.error({ error, path: this.#base }, 'cannot look for other spools');
      })
      .finally(() => {
        this.#adopting = undefined;
      });
  }

  async #adopt(): Promise<void> {
    const { bytesMax, clock, logger } = this.#setup;
    const held = new Set([this.#own.path, ...this.#adopted.map(({ path }) => path)]);
    for (const name of (await readdir(this.#base)).sort()) {
      const path = join(this.#base, name);
      if (this.#closed || this.#adopted.length >= ADOPTED_MAX) return;
      if (held.has(path) || !(await isSpoolDirectory(path))) continue;
      try {
        const adopted = await SpoolDirectory.adopt({ path, bytesMax, clock, logger });
        if (adopted?.isEmpty) await adopted.close();
        else if (adopted !== undefined) this.#adopted.push(adopted);
      } catch (error) {
        logger.error({ error, path }, 'cannot adopt the spool of a process that died');
      }
    }
    this.#replay.notify();
  }
}
