/** Breaks the cluster as the schedule says, heals it, and keeps account of both. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterProcess } from '../cluster/cluster-process.ts';
import type { Cluster } from '../cluster/start-cluster.ts';
import type { InjectedFault } from './history.ts';
import { latencyOf, type PlannedFault, SERVERS, type ServerId } from './schedule.ts';

/** A process that ends at its start, because a server is away, is started again, as anywhere. */
const START_ATTEMPTS_MAX = 20;
const START_PAUSE_MS = 500;
const WATCH_INTERVAL_MS = 100;

export interface NemesisAccount {
  readonly faults: readonly InjectedFault[];
  /** What went otherwise than it must: a process that ended by itself, or did not come back. */
  readonly complaints: readonly string[];
}

export class Nemesis {
  readonly #cluster: Cluster;
  readonly #faults: InjectedFault[] = [];
  readonly #complaints: string[] = [];
  /** Those that are down because they are meant to be. */
  readonly #held = new Set<string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get injected(): number {
    return this.#faults.length;
  }

  /** Resolves when the last fault has ended and all is as it was. */
  async run(faults: readonly PlannedFault[], signal: AbortSignal): Promise<NemesisAccount> {
    const over = new AbortController();
    const watching = this.#watch(over.signal);
    const startedAt = performance.now();
    const running: Promise<void>[] = [];
    for (const fault of faults) {
      const waitMs = Math.max(0, startedAt + fault.atMs - performance.now());
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      running.push(this.#inject(fault));
    }
    await Promise.all(running);
    over.abort();
    await watching;
    return { faults: this.#faults, complaints: this.#complaints };
  }

  async #inject(fault: PlannedFault): Promise<void> {
    const { target, kind, link } = fault;
    // The one before it may have taken longer than it was given.
    if (this.#held.has(target)) return;
    this.#held.add(target);
    const startedAt = Date.now();
    try {
      await (isServer(target) ? this.#breakServer(target, fault) : this.#breakProcess(fault));
    } catch (error) {
      this.#complaints.push(`${kind} of ${target}: ${textOf(error)}`);
    }
    this.#held.delete(target);
    const where = link === undefined ? kind : `${kind} of ${link}`;
    this.#faults.push({ target, kind: where, startedAt, endedAt: Date.now() });
  }

  async #breakServer(id: ServerId, { kind, forMs }: PlannedFault): Promise<void> {
    const server = this.#cluster[id];
    switch (kind) {
      case 'kill':
        await server.kill();
        await delay(forMs);
        return server.restart();
      case 'pause':
        server.pause();
        await delay(forMs);
        return server.resume();
      case 'terminate':
        return server.restart();
      case 'full': {
        const { bus } = this.#cluster;
        await bus.limitEvents({ messages: 1 });
        await delay(forMs);
        return bus.limitEvents({});
      }
      default:
        throw new Error(`a server has no fault ${kind}`);
    }
  }

  async #breakProcess(fault: PlannedFault): Promise<void> {
    const { target, kind, link, forMs } = fault;
    const process = this.#cluster.process(target);
    switch (kind) {
      case 'kill':
        await process.kill();
        await delay(forMs);
        return this.#comeBack(process);
      case 'terminate': {
        const { code } = await process.terminate();
        if (code !== 0) this.#complaints.push(`${target} drained and ended with ${code}`);
        await delay(forMs);
        return this.#comeBack(process);
      }
      case 'pause':
        process.pause();
        await delay(forMs);
        process.resume();
        return process.ready();
      default:
        if (link === undefined) throw new Error(`a process has no fault ${kind}`);
    }
    const proxy = process.link(link);
    if (kind === 'reset') return proxy.resetConnections();
    const toxics = kind === 'latency' ? { latencyMs: latencyOf(fault) } : { blackHole: true };
    for (const direction of ['upstream', 'downstream'] as const) {
      proxy.setToxics(direction, toxics);
    }
    await delay(forMs);
    for (const direction of ['upstream', 'downstream'] as const) proxy.setToxics(direction, {});
  }

  async #comeBack(process: ClusterProcess): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await process.start();
      } catch (error) {
        if (process.isRunning || attempt === START_ATTEMPTS_MAX) throw error;
        await delay(START_PAUSE_MS);
      }
    }
  }

  /** Nothing but the nemesis may end a process. */
  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const process of this.#cluster.processes) {
        if (process.isRunning || this.#held.has(process.id)) continue;
        const { exit, lines } = process.node;
        const last = lines.slice(-5).join('\n');
        this.#complaints.push(`${process.id} ended by itself (${JSON.stringify(exit)}):\n${last}`);
        this.#held.add(process.id);
        await this.#comeBack(process).catch((error: unknown) => {
          this.#complaints.push(`${process.id} did not come back: ${textOf(error)}`);
        });
        this.#held.delete(process.id);
      }
      await delay(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

function isServer(target: string): target is ServerId {
  return SERVERS.some((id) => id === target);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
