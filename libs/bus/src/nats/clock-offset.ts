/**
 * How far this machine's clock is from that of nats-server, by the times in its answers. The server read
 * its clock between the question and the answer, so a sample is off by half of that at most, and the
 * quickest answer says most.
 */
import { CLOCK_SKEW_MAX_MS } from '../bus.ts';

export interface ClockSample {
  /** By this machine's clock, in milliseconds since 1970. */
  readonly askedAt: number;
  /** By the server's clock. */
  readonly serverAt: number;
  /** From the question to the answer, by a clock that never jumps. */
  readonly roundTripMs: number;
}

export interface ClockOffset {
  /** Positive when this machine is ahead. */
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
}

/** The best of several samples, or undefined where there is none. */
export function clockOffset(samples: readonly ClockSample[]): ClockOffset | undefined {
  const [best] = [...samples].sort((one, other) => one.roundTripMs - other.roundTripMs);
  if (best === undefined) return undefined;
  const uncertaintyMs = best.roundTripMs / 2;
  return { offsetMs: best.askedAt + uncertaintyMs - best.serverAt, uncertaintyMs };
}

/** What is to be said against an offset that is larger than it may be, however uncertain it is. */
export function clockSkew({ offsetMs, uncertaintyMs }: ClockOffset): string | undefined {
  if (Math.abs(offsetMs) - uncertaintyMs <= CLOCK_SKEW_MAX_MS) return undefined;
  const where = offsetMs > 0 ? 'ahead of' : 'behind';
  return `the clock is ${Math.round(Math.abs(offsetMs))} ms ${where} that of nats-server`;
}
