/**
 * How often an address may be refused for want of a valid key. Past the bound it is told to wait and
 * is one more in a summary, so that guessing keys costs neither the ledger nor the log anything. A valid key is
 * never refused for it: behind one address there may be many clients, and finding a key is one hash.
 */
import { GatewayError } from '@gateway/protocol';
import { addressGroup } from './address-group.ts';

const FAILURES_MAX = 20;
const WINDOW_MS = 60_000;
/** Addresses that are remembered; the one that failed longest ago is forgotten first. */
const ADDRESSES_MAX = 10_000;

export interface FailedAuthenticationsOptions {
  readonly failuresMax?: number;
  readonly windowMs?: number;
  readonly addressesMax?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export class FailedAuthentications {
  readonly #failuresMax: number;
  readonly #windowMs: number;
  readonly #addressesMax: number;
  readonly #now: () => number;
  /** When each address failed, oldest first; the address that failed last is at the end. */
  readonly #failures = new Map<string, number[]>();

  constructor(options: FailedAuthenticationsOptions = {}) {
    this.#failuresMax = options.failuresMax ?? FAILURES_MAX;
    this.#windowMs = options.windowMs ?? WINDOW_MS;
    this.#addressesMax = options.addressesMax ?? ADDRESSES_MAX;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#failures.size;
  }

  /**
   * Counts one more failure of the address: an IPv4 address, or all of an IPv6 /64. Returns
   * `rate_limited` when it had as many in the window as it may, and does not count that one.
   */
  add(address: string): GatewayError | undefined {
    const group = addressGroup(address);
    const now = this.#now();
    const isRecent = (at: number) => at > now - this.#windowMs;
    const recent = (this.#failures.get(group) ?? []).filter(isRecent);
    const [oldest] = recent;
    if (oldest !== undefined && recent.length >= this.#failuresMax) {
      return new GatewayError('rate_limited', 'Too many requests without a valid key. Wait.', {
        reason: 'too_many_failed_keys',
        retryAfterMs: oldest + this.#windowMs - now,
      });
    }
    this.#failures.delete(group);
    this.#failures.set(group, [...recent, now]);
    if (this.#failures.size > this.#addressesMax) {
      const [longestAgo] = this.#failures.keys();
      if (longestAgo !== undefined) this.#failures.delete(longestAgo);
    }
    return undefined;
  }
}
