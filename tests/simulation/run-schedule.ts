/** One seed from its first request to the judgement. */
import { checkOutcome, checkSlots, requestIdAt } from './check-outcome.ts';
import { applyFault, mendFault } from './faults.ts';
import { type BrokenParts, Gateway } from './gateway.ts';
import { withReplacedGlobals } from './replaced-globals.ts';
import { BUSY_MS, planSchedule } from './schedule.ts';
import { arrive } from './services.ts';
import { START_MS, VirtualTime } from './virtual-time.ts';

/** From the last fault until all is closed: total time, grace, a redelivery or two, and rounds. */
const QUIET_MS = 150_000;

/** From a request until its first event is likely being written. */
const WRITING_MS = 40;

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Equal for runs in which the same happened. */
  readonly digest: string;
  readonly events: number;
  readonly requests: number;
  readonly calls: number;
  readonly trace: readonly string[];
}

export function runSchedule(
  seed: number,
  broken: BrokenParts = {},
  keepsTrace = false,
): Promise<Outcome> {
  const time = new VirtualTime(seed, keepsTrace);
  return withReplacedGlobals(time, async () => {
    const schedule = planSchedule(seed, time.random);
    const gateway = new Gateway(time, schedule, broken);
    for (const planned of schedule.requests) {
      time.at(START_MS + planned.atMs, undefined, () =>
        arrive(gateway, planned, requestIdAt(time.now, time.random)),
      );
    }
    for (const fault of schedule.faults) {
      const at = START_MS + fault.atMs;
      time.at(at, undefined, () => applyFault(gateway, fault));
      time.at(at + fault.forMs, undefined, () => mendFault(gateway, fault));
    }
    for (const { atMs } of broken.killsWriters ? schedule.requests : []) {
      time.at(START_MS + atMs + WRITING_MS, undefined, () => gateway.writer.kill());
      time.at(START_MS + atMs + 2 * WRITING_MS, undefined, () => gateway.writer.start());
    }
    const lastFault = Math.max(0, ...schedule.faults.map(({ atMs, forMs }) => atMs + forMs));
    await time.runUntil(START_MS + Math.max(BUSY_MS, lastFault) + QUIET_MS);
    checkOutcome(gateway);
    await checkSlots(gateway);
    return {
      ...{ seed, violations: gateway.violations, digest: time.traceDigest },
      ...{ events: time.events, requests: gateway.journal.length, trace: time.lines },
      calls: gateway.providers.ledger.length,
    };
  });
}
