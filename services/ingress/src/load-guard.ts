/**
 * Refuses requests of clients while the process has too much to do, so that those that run still end.
 *
 * It decides before the key is looked at: a shed request costs next to nothing and leaves no record,
 * only a count, or a flood of them would be the next load. Requests of admins and probes are never shed.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { getMeter } from '@gateway/telemetry';
import { CALM, type LoadSample, type LoadState, nextLoadState } from './load-state.ts';
import { type Shortage, shed } from './shed.ts';

const SAMPLE_MS = 1_000;
const LAG_RESOLUTION_MS = 20;
const NANOSECONDS_PER_MS = 1e6;

const runningRequests = getMeter('ingress').createUpDownCounter(
  'gateway.ingress.running_requests',
  {
    description: 'Requests of clients with a valid key that are not answered yet',
  },
);

export interface LoadGuardOptions {
  readonly runningMax: number;
  /** Stands in for the measures of this process. */
  readonly sampleFrom?: () => LoadSample;
}

export class LoadGuard implements Disposable {
  readonly #runningMax: number;
  readonly #sampleFrom: () => LoadSample;
  readonly #lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #state: LoadState = CALM;
  #running = 0;

  constructor({ runningMax, sampleFrom }: LoadGuardOptions) {
    this.#runningMax = runningMax;
    this.#sampleFrom = sampleFrom ?? (() => this.#measure());
    this.#lag.enable();
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS).unref();
  }

  get running(): number {
    return this.#running;
  }

  /** Whether connections are to be closed after their answers. */
  get closesConnections(): boolean {
    return this.#state.closesConnections;
  }

  /** Throws `overloaded` when no further request may begin. */
  admit(): void {
    const shortage = this.#shortage();
    if (shortage !== undefined) throw shed(shortage);
  }

  /** Counts a request that runs until `end`. */
  begin(): void {
    this.#running += 1;
    runningRequests.add(1);
  }

  end(): void {
    this.#running -= 1;
    runningRequests.add(-1);
  }

  /** Looks at the process now; it does so by itself every second. */
  sample(): void {
    this.#state = nextLoadState(this.#state, this.#sampleFrom());
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#lag.disable();
  }

  #shortage(): Shortage | undefined {
    if (this.#running >= this.#runningMax) return 'running';
    if (this.#state.isLagging) return 'lag';
    return this.#state.isHeapFull ? 'heap' : undefined;
  }

  #measure(): LoadSample {
    // The histogram holds the times from one tick of its timer to the next.
    const meanMs = this.#lag.count === 0 ? 0 : this.#lag.mean / NANOSECONDS_PER_MS;
    this.#lag.reset();
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    return { lagMs: Math.max(0, meanMs - LAG_RESOLUTION_MS), heapShare: used / limit };
  }
}
