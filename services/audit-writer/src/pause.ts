import { setTimeout as delay } from 'node:timers/promises';

/** False when the signal ended it. Keeps no process alive. */
export function pause(durationMs: number, signal: AbortSignal): Promise<boolean> {
  return delay(durationMs, true, { signal, ref: false }).catch(() => false);
}
