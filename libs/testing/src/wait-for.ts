import { setTimeout as delay } from 'node:timers/promises';

const POLL_INTERVAL_MS = 10;
const TIMEOUT_DEFAULT_MS = 10_000;

export interface WaitForOptions {
  /** What is awaited, for the error: "the server to answer". */
  readonly what: string;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Default 10 ms. */
  readonly intervalMs?: number;
}

/** A condition did not become true in time. */
export class WaitTimeoutError extends Error {
  override readonly name = 'WaitTimeoutError';
}

/**
 * Polls until the condition gives something truthy and returns it. A condition that throws counts
 * as not yet true; its last error is the cause of the `WaitTimeoutError`.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitForOptions,
): Promise<NonNullable<Exclude<T, false>>> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_DEFAULT_MS;
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<Exclude<T, false>>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      const reason = cause instanceof Error ? `: ${cause.message}` : '';
      throw new WaitTimeoutError(`Waited ${timeoutMs} ms for ${options.what}${reason}`, { cause });
    }
    await delay(options.intervalMs ?? POLL_INTERVAL_MS);
  }
}
