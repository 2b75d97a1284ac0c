/**
 * The twin of the Redis store for one process: the same decisions, forgotten at its end. The ledger
 * of the embedded gateway knows what was admitted before, and gives it back at the start.
 */
import {
  GatewayError,
  type Limit,
  type ReserveReply,
  type ReserveRequest,
} from '@gateway/protocol';
import { ADMISSION_MEMORY_MS, type LimitStore, windowKey } from './limit-store.ts';
import { slotAt, slotCounts, slotFreeAtMs, type WindowState, windowState } from './limits.ts';

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
  /** Windows that are counted at once. */
  readonly windowsMax?: number;
  /** Request ids that are remembered; beyond it the oldest is forgotten before its time. */
  readonly admissionsMax?: number;
}

export const WINDOWS_MAX = 100_000;
export const ADMISSIONS_MAX = 100_000;
/** About 60 MB. Group by the sixtieth part of the window to stay below. */
export const PAST_ADMISSIONS_MAX = 1_000_000;

interface Window {
  readonly windowMs: number;
  readonly counts: Map<number, number>;
  /** When nothing counts any more. */
  freeAtMs: number;
}

interface Admission {
  readonly reply: ReserveReply;
  readonly forgetAtMs: number;
}

interface Candidate {
  readonly limit: Limit;
  readonly key: string;
  readonly window: Window;
  readonly state: WindowState;
}

export class MemoryLimitStore implements LimitStore {
  readonly outage = undefined;
  readonly #nowMs: () => number;
  readonly #windowsMax: number;
  readonly #admissionsMax: number;
  readonly #windows = new Map<string, Window>();
  /** In the order of admission, so the first is the first to be forgotten. */
  readonly #admissions = new Map<string, Admission>();
  readonly #past: ReadonlyMap<string, readonly PastAdmissions[]>;
  /** No window is free before this moment, so looking for one earlier is in vain. */
  #nextFreeAtMs = Number.POSITIVE_INFINITY;

  /** Throws a RangeError for more than `PAST_ADMISSIONS_MAX` past admissions. */
  constructor(options: MemoryLimitStoreOptions = {}) {
    const { past = [], nowMs = monotonicNowMs } = options;
    if (past.length > PAST_ADMISSIONS_MAX) {
      throw new RangeError(`There are more than ${PAST_ADMISSIONS_MAX} past admissions.`);
    }
    this.#nowMs = nowMs;
    this.#windowsMax = options.windowsMax ?? WINDOWS_MAX;
    this.#admissionsMax = options.admissionsMax ?? ADMISSIONS_MAX;
    this.#past = Map.groupBy(past, ({ scope }) => scope);
  }

  async reserve({ requestId, limits }: ReserveRequest): Promise<ReserveReply> {
    const nowMs = this.#nowMs();
    this.#forget(nowMs);
    const admission = this.#admissions.get(requestId);
    if (admission) return admission.reply;

    const candidates = limits.map((limit) => this.#candidate(limit, nowMs));
    const retryAfterMs = Math.max(...candidates.map(({ state }) => state.retryAfterMs));
    if (retryAfterMs > 0) {
      const states = candidates.map(({ limit, state }) => limitState(limit, state));
      return { allowed: false, limits: states, retryAfterMs };
    }
    this.#makeRoom(candidates, nowMs);
    const states = candidates.map((candidate) => this.#count(candidate, nowMs));
    const reply = { allowed: true, limits: states };
    this.#admissions.set(requestId, { reply, forgetAtMs: nowMs + ADMISSION_MEMORY_MS });
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#windows.clear();
    this.#admissions.clear();
  }

  #candidate(limit: Limit, nowMs: number): Candidate {
    const key = windowKey(limit);
    const window = this.#windows.get(key) ?? this.#openWindow(limit, key, nowMs);
    const { amount } = limit;
    const state = windowState(window.counts, { amount, windowMs: window.windowMs }, nowMs);
    return { limit, key, window, state };
  }

  /** A window that is not counted yet, with what was admitted before this process started. */
  #openWindow(limit: Limit, key: string, nowMs: number): Window {
    const windowMs = limit.windowSeconds * 1000;
    const window: Window = { windowMs, counts: new Map(), freeAtMs: nowMs };
    for (const { atMs, requests } of this.#past.get(limit.scope) ?? []) {
      const slot = slotAt(Math.min(atMs, nowMs), windowMs);
      if (slotCounts(slot, nowMs, windowMs)) addToSlot(window, slot, requests);
    }
    const hasRoom = this.#windows.size < this.#windowsMax;
    if (window.counts.size > 0 && hasRoom) this.#keep(key, window);
    return window;
  }

  #count({ limit, key, window }: Candidate, nowMs: number) {
    const { windowMs, counts } = window;
    for (const slot of counts.keys()) {
      if (!slotCounts(slot, nowMs, windowMs)) counts.delete(slot);
    }
    addToSlot(window, slotAt(nowMs, windowMs), 1);
    this.#keep(key, window);
    return limitState(limit, windowState(counts, { amount: limit.amount, windowMs }, nowMs));
  }

  #keep(key: string, window: Window): void {
    this.#windows.set(key, window);
    this.#nextFreeAtMs = Math.min(this.#nextFreeAtMs, window.freeAtMs);
  }

  #makeRoom(candidates: readonly Candidate[], nowMs: number): void {
    const isFull = () => {
      const wanted = candidates.filter(({ key }) => !this.#windows.has(key)).length;
      return this.#windows.size + wanted > this.#windowsMax;
    };
    if (isFull() && nowMs >= this.#nextFreeAtMs) this.#dropFreeWindows(nowMs);
    if (isFull()) {
      throw new GatewayError('overloaded', 'The rate limiter has no room for another key.');
    }
  }

  #dropFreeWindows(nowMs: number): void {
    this.#nextFreeAtMs = Number.POSITIVE_INFINITY;
    for (const [key, { freeAtMs }] of this.#windows) {
      if (freeAtMs <= nowMs) this.#windows.delete(key);
      else this.#nextFreeAtMs = Math.min(this.#nextFreeAtMs, freeAtMs);
    }
  }

  #forget(nowMs: number): void {
    for (const [requestId, { forgetAtMs }] of this.#admissions) {
      if (forgetAtMs > nowMs && this.#admissions.size < this.#admissionsMax) return;
      this.#admissions.delete(requestId);
    }
  }
}

function addToSlot(window: Window, slot: number, requests: number): void {
  window.counts.set(slot, (window.counts.get(slot) ?? 0) + requests);
  window.freeAtMs = Math.max(window.freeAtMs, slotFreeAtMs(slot, window.windowMs));
}

function limitState({ scope, kind, amount }: Limit, { remaining, resetMs }: WindowState) {
  return { scope, kind, amount, remaining, resetMs };
}

function monotonicNowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
