/**
 * The twin of the Redis store for one process: the same decisions, forgotten at its end. The ledger
 * of the embedded gateway knows what was admitted before, and gives it back at the start.
 */
import {
  GatewayError,
  type HeldSlots,
  type Limit,
  type ReserveReply,
  type ReserveRequest,
  SLOT_LEASE_MS,
} from '@gateway/protocol';
import type { Counter, CounterState } from './counter.ts';
import { ExpiringMap } from './expiring-map.ts';
import {
  ADMISSION_MEMORY_MS,
  counterKey,
  type LimitStore,
  SCOPE_MEMBERS_MAX,
  slotsKey,
} from './limit-store.ts';
import { slotAt, slotCounts } from './limits.ts';
import { Slots } from './slots.ts';
import { Window } from './window.ts';

/** Requests that were admitted before this process started. */
export interface PastAdmissions {
  readonly scope: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly requests: number;
}

export interface MemoryLimitStoreOptions {
  readonly past?: readonly PastAdmissions[];
  /** Whole milliseconds since 1970 on a clock that never goes back. */
  readonly nowMs?: () => number;
  readonly slotLeaseMs?: number;
  /** Windows and scopes of slots that are counted at once. */
  readonly countersMax?: number;
  /** Request ids that are remembered; beyond it the oldest is forgotten before its time. */
  readonly admissionsMax?: number;
}

export const COUNTERS_MAX = 100_000;
export const ADMISSIONS_MAX = 100_000;
/** About 60 MB. Group by the sixtieth part of the window to stay below. */
export const PAST_ADMISSIONS_MAX = 1_000_000;

interface Candidate {
  readonly limit: Limit;
  readonly key: string;
  readonly counter: Counter;
  readonly state: CounterState;
}

export class MemoryLimitStore implements LimitStore {
  readonly outage = undefined;
  readonly #nowMs: () => number;
  readonly #slotLeaseMs: number;
  readonly #countersMax: number;
  readonly #admissionsMax: number;
  readonly #counters = new Map<string, Counter>();
  readonly #admissions = new ExpiringMap<ReserveReply>();
  readonly #past: ReadonlyMap<string, readonly PastAdmissions[]>;
  /** No counter is free before this moment, so looking for one earlier is in vain. */
  #nextFreeAtMs = Number.POSITIVE_INFINITY;

  /** Throws a RangeError for more than `PAST_ADMISSIONS_MAX` past admissions. */
  constructor(options: MemoryLimitStoreOptions = {}) {
    const { past = [], nowMs = monotonicNowMs } = options;
    if (past.length > PAST_ADMISSIONS_MAX) {
      throw new RangeError(`There are more than ${PAST_ADMISSIONS_MAX} past admissions.`);
    }
    this.#nowMs = nowMs;
    this.#slotLeaseMs = options.slotLeaseMs ?? SLOT_LEASE_MS;
    this.#countersMax = options.countersMax ?? COUNTERS_MAX;
    this.#admissionsMax = options.admissionsMax ?? ADMISSIONS_MAX;
    this.#past = Map.groupBy(past, ({ scope }) => scope);
  }

  async reserve({ requestId, limits }: ReserveRequest): Promise<ReserveReply> {
    const nowMs = this.#nowMs();
    this.#forget(nowMs);
    const admission = this.#admissions.get(requestId);
    if (admission !== undefined) return admission;

    const candidates: Candidate[] = [];
    let slowest: Candidate | undefined;
    for (const limit of limits) {
      const candidate = this.#candidate(requestId, limit, nowMs);
      candidates.push(candidate);
      if (candidate.state.retryAfterMs > (slowest?.state.retryAfterMs ?? 0)) slowest = candidate;
    }
    if (slowest !== undefined) return refusal(candidates, slowest);
    this.#makeRoom(candidates, nowMs);
    const states = candidates.map(({ limit, key, counter }) => {
      counter.take(requestId, nowMs);
      this.#keep(key, counter);
      return limitState(limit, counter.state(requestId, limit.amount, nowMs));
    });
    const reply = { allowed: true, limits: states };
    this.#admissions.add(requestId, reply, nowMs + ADMISSION_MEMORY_MS);
    return reply;
  }

  async release({ requestId, scopes }: HeldSlots): Promise<void> {
    const nowMs = this.#nowMs();
    for (const scope of scopes) {
      this.#change(scope, nowMs, (slots) => slots.release(requestId, nowMs));
    }
  }

  async renew(held: readonly HeldSlots[]): Promise<void> {
    const nowMs = this.#nowMs();
    for (const { requestId, scopes } of held) {
      for (const scope of scopes) {
        this.#change(scope, nowMs, (slots) => slots.renew(requestId, nowMs));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#counters.clear();
    this.#admissions.clear();
  }

  #candidate(requestId: string, limit: Limit, nowMs: number): Candidate {
    const key = counterKey(limit);
    const counter = this.#counters.get(key) ?? this.#open(limit, key, nowMs);
    return { limit, key, counter, state: counter.state(requestId, limit.amount, nowMs) };
  }

  #open(limit: Limit, key: string, nowMs: number): Counter {
    if (limit.kind === 'concurrency') return new Slots(this.#slotLeaseMs, SCOPE_MEMBERS_MAX);
    return this.#openWindow(limit.scope, limit.windowSeconds * 1000, key, nowMs);
  }

  /** A window that is not counted yet, with what was admitted before this process started. */
  #openWindow(scope: string, windowMs: number, key: string, nowMs: number): Window {
    const window = new Window(windowMs);
    for (const { atMs, requests } of this.#past.get(scope) ?? []) {
      const pastMs = Math.min(atMs, nowMs);
      if (slotCounts(slotAt(pastMs, windowMs), nowMs, windowMs)) window.add(pastMs, requests);
    }
    const hasRoom = this.#counters.size < this.#countersMax;
    if (window.freeAtMs > nowMs && hasRoom) this.#keep(key, window);
    return window;
  }

  /** Where there is no room for another scope, its slots lapse instead. */
  #change(scope: string, nowMs: number, change: (slots: Slots) => void): void {
    const key = slotsKey(scope);
    const counter = this.#counters.get(key) ?? new Slots(this.#slotLeaseMs, SCOPE_MEMBERS_MAX);
    if (!(counter instanceof Slots) || !this.#hasRoomFor([key], nowMs)) return;
    change(counter);
    this.#keep(key, counter);
  }

  #keep(key: string, counter: Counter): void {
    this.#counters.set(key, counter);
    this.#nextFreeAtMs = Math.min(this.#nextFreeAtMs, counter.freeAtMs);
  }

  #makeRoom(candidates: readonly Candidate[], nowMs: number): void {
    const keys = candidates.map(({ key }) => key);
    if (this.#hasRoomFor(keys, nowMs)) return;
    throw new GatewayError('overloaded', 'The rate limiter has no room for another key.');
  }

  /** Whether all of them can be counted, once what is free was dropped. */
  #hasRoomFor(keys: readonly string[], nowMs: number): boolean {
    if (this.#counters.size + keys.length <= this.#countersMax) return true;
    const isFull = () => {
      const wanted = keys.filter((key) => !this.#counters.has(key)).length;
      return this.#counters.size + wanted > this.#countersMax;
    };
    if (isFull() && nowMs >= this.#nextFreeAtMs) this.#dropFreeCounters(nowMs);
    return !isFull();
  }

  #dropFreeCounters(nowMs: number): void {
    this.#nextFreeAtMs = Number.POSITIVE_INFINITY;
    for (const [key, { freeAtMs }] of this.#counters) {
      if (freeAtMs <= nowMs) this.#counters.delete(key);
      else this.#nextFreeAtMs = Math.min(this.#nextFreeAtMs, freeAtMs);
    }
  }

  #forget(nowMs: number): void {
    this.#admissions.drop(nowMs);
    while (this.#admissions.size >= this.#admissionsMax) this.#admissions.dropOldest();
  }
}

function refusal(candidates: readonly Candidate[], slowest: Candidate): ReserveReply {
  const { scope, kind } = slowest.limit;
  return {
    allowed: false,
    limits: candidates.map(({ limit, state }) => limitState(limit, state)),
    refusedBy: { scope, kind },
    retryAfterMs: slowest.state.retryAfterMs,
  };
}

function limitState({ scope, kind, amount }: Limit, { remaining, resetMs }: CounterState) {
  return { scope, kind, amount, remaining, resetMs };
}

function monotonicNowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
