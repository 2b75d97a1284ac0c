/** The limiter's store, with a watch that counts for itself what may be admitted. */
import {
  GatewayError,
  type HeldSlots,
  type Limit,
  type ReserveReply,
  type ReserveRequest,
  SLOT_LEASE_MS,
} from '@gateway/protocol';
import { type LimitStore, RELEASE_MEMORY_MS } from '../../services/rate-limiter/src/limit-store.ts';
import type { VirtualTime } from './virtual-time.ts';

interface Lease {
  readonly requestId: string;
  endsAt: number;
}

export class WatchedLimiter implements LimitStore {
  readonly #store: LimitStore;
  readonly #time: VirtualTime;
  readonly #violated: (what: string) => void;
  /** When each request was admitted, by scope. */
  readonly #admissions = new Map<string, { readonly requestId: string; readonly at: number }[]>();
  readonly #leases = new Map<string, Lease[]>();
  /** When each request was released: a reservation that this overtook takes no slot. */
  readonly #releases = new Map<string, number>();
  isAway = false;

  constructor(store: LimitStore, time: VirtualTime, violated: (what: string) => void) {
    this.#store = store;
    this.#time = time;
    this.#violated = violated;
  }

  get outage(): string | undefined {
    return this.isAway ? 'away' : undefined;
  }

  async reserve(request: ReserveRequest): Promise<ReserveReply> {
    this.#requireStore();
    const reply = await this.#store.reserve(request);
    this.#time.note(`${reply.allowed ? 'admits' : 'refuses'} ${request.requestId}`);
    if (reply.allowed) for (const limit of request.limits) this.#admitted(request.requestId, limit);
    return reply;
  }

  async release(held: HeldSlots): Promise<void> {
    this.#requireStore();
    this.#releases.set(held.requestId, this.#time.now);
    for (const scope of held.scopes) {
      const left = this.#running(scope).filter(({ requestId }) => requestId !== held.requestId);
      this.#leases.set(scope, left);
    }
    await this.#store.release(held);
  }

  async renew(held: readonly HeldSlots[]): Promise<void> {
    this.#requireStore();
    for (const { requestId, scopes } of held) {
      for (const scope of scopes) {
        const lease = this.#running(scope).find((one) => one.requestId === requestId);
        if (lease) lease.endsAt = this.#time.now + SLOT_LEASE_MS;
      }
    }
    await this.#store.renew(held);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #requireStore(): void {
    if (this.isAway) throw new GatewayError('limiter_unavailable', 'The store is away.');
  }

  #running(scope: string): Lease[] {
    return (this.#leases.get(scope) ?? []).filter(({ endsAt }) => endsAt > this.#time.now);
  }

  #admitted(requestId: string, limit: Limit): void {
    const { now } = this.#time;
    if (limit.kind === 'concurrency') {
      if (now - (this.#releases.get(requestId) ?? 0) < RELEASE_MEMORY_MS) return;
      const others = this.#running(limit.scope).filter((one) => one.requestId !== requestId);
      const running = [...others, { requestId, endsAt: now + SLOT_LEASE_MS }];
      this.#leases.set(limit.scope, running);
      if (running.length <= limit.amount) return;
      this.#violated(`limit: ${running.length} requests of ${limit.scope} run at once`);
      return;
    }
    const all = this.#admissions.get(limit.scope) ?? [];
    if (all.every((one) => one.requestId !== requestId)) all.push({ requestId, at: now });
    this.#admissions.set(limit.scope, all);
    const recent = all.filter(({ at }) => at > now - limit.windowSeconds * 1_000);
    if (recent.length <= limit.amount) return;
    this.#violated(`limit: ${recent.length} requests of ${limit.scope} in one window`);
  }
}
