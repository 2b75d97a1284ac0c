/**
 * Whether the workers that own calls of this bus live: one ping a worker and interval, however many
 * calls it owns. Nobody subscribed to a worker's control subject means that it died, which the
 * server says within milliseconds; silence means that it hangs.
 */
import { GatewayError, subjects } from '@gateway/protocol';
import { InFlight } from '@gateway/runtime';
import { PING_INTERVAL_MS, PINGS_MISSED_MAX } from '../bus.ts';
import type { Clock } from '../calls/clock.ts';
import type { RequestMux } from './request-mux.ts';

/** An open call of a worker. */
export interface OwnedCall {
  workerLost(): void;
}

interface Watched {
  readonly calls: InFlight<OwnedCall>;
  missed: number;
}

export class WorkerLiveness {
  readonly #mux: RequestMux;
  readonly #clock: Clock;
  readonly #workers = new Map<string, Watched>();

  constructor(mux: RequestMux, clock: Clock) {
    this.#mux = mux;
    this.#clock = clock;
  }

  /** Tells the call when the worker is found dead, until it is no longer watched at this place. */
  watch(worker: string, call: OwnedCall): number {
    let watched = this.#workers.get(worker);
    if (watched === undefined) {
      watched = { calls: new InFlight(), missed: 0 };
      this.#workers.set(worker, watched);
      this.#schedule(worker, watched, PING_INTERVAL_MS);
    }
    return watched.calls.add(call);
  }

  unwatch(worker: string, place: number, call: OwnedCall): void {
    this.#workers.get(worker)?.calls.delete(place, call);
  }

  #schedule(worker: string, watched: Watched, waitMs: number): void {
    this.#clock.after(waitMs, () => {
      if (watched.calls.size === 0) this.#workers.delete(worker);
      else void this.#ping(worker, watched);
    });
  }

  async #ping(worker: string, watched: Watched): Promise<void> {
    const sentAt = this.#clock.now();
    try {
      await this.#mux.request({ subject: subjects.control(worker), timeoutMs: PING_INTERVAL_MS });
      watched.missed = 0;
    } catch (error) {
      // In an outage of the bus the calls break by themselves.
      const dead = error instanceof GatewayError && error.code === 'no_responders';
      watched.missed = dead ? PINGS_MISSED_MAX : watched.missed + 1;
    }
    if (watched.missed < PINGS_MISSED_MAX) {
      const elapsedMs = this.#clock.now() - sentAt;
      this.#schedule(worker, watched, Math.max(0, PING_INTERVAL_MS - elapsedMs));
      return;
    }
    this.#workers.delete(worker);
    for (const call of [...watched.calls]) call.workerLost();
  }
}
