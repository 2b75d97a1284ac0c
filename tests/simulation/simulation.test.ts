/**
 * The pure cores and the functions around them under thousands of seeded schedules of requests and
 * faults. `SIMULATION_SEED=17 npx vitest run simulation` runs one again and prints what happened;
 * `SIMULATION_SCHEDULES=100000` runs more.
 */
import { type CallFrames, decodeFrames, encodeFrames, type Frame } from '@gateway/protocol';
import { describe, expect, test, vi } from 'vitest';
import type { RequestState } from '../../services/audit-writer/src/row.ts';
import { MemoryLimitStore } from '../../services/rate-limiter/src/memory-limit-store.ts';
import { readSettings } from './config.ts';
import type { BrokenParts } from './gateway.ts';
import type { WireMessage } from './nats-server.ts';
import { type Outcome, runSchedule } from './run-schedule.ts';

vi.mock('node:timers/promises', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:timers/promises')>()),
  setTimeout: (await import('./replaced-globals.ts')).virtualSleep,
}));

const { schedules, seed: onlySeed } = readSettings();
const FAILURES_MAX = 5;
const TRACE_LINES_MAX = 60;
/** Within which a broken part is to be noticed. */
const BROKEN_SEEDS = 400;

/** Schedules that once broke something, by what it was. */
const REGRESSIONS: readonly (readonly [what: string, seed: number])[] = [
  ['a window that was given back twice', 1],
  ['an ingress that stood still until its clients were cut off', 684],
  ['a refused event of a call that its caller had given up', 6_406],
];

test.runIf(onlySeed === undefined)(
  `${schedules} schedules keep every invariant`,
  async () => {
    const failed: Outcome[] = [];
    let calls = 0;
    for (let seed = 1; seed <= schedules && failed.length < FAILURES_MAX; seed += 1) {
      const outcome = await runSchedule(seed);
      calls += outcome.calls;
      if (outcome.violations.length > 0) failed.push(outcome);
    }
    expect(failed.map(({ seed, violations }) => ({ seed, violations }))).toEqual([]);
    // The schedules did something.
    expect(calls).toBeGreaterThan(schedules);
  },
  600_000 + schedules * 100,
);

test.runIf(onlySeed !== undefined)('one schedule keeps every invariant', async () => {
  const { violations, trace } = await runSchedule(onlySeed ?? 1, {}, true);
  process.stdout.write(`${trace.join('\n')}\n`);
  expect(violations).toEqual([]);
});

test.each(REGRESSIONS)('%s does no harm any more', async (_what, seed) => {
  const { violations, trace } = await runSchedule(seed, {}, true);
  expect(violations, trace.slice(-TRACE_LINES_MAX).join('\n')).toEqual([]);
});

test('the same seed is the same run', async () => {
  for (const seed of [2, 3, 11]) {
    const [one, again] = [await runSchedule(seed), await runSchedule(seed)];
    expect(again.digest).toBe(one.digest);
    expect(again.events).toBe(one.events);
  }
  expect((await runSchedule(2)).digest).not.toBe((await runSchedule(3)).digest);
});

/** Whether the violations of some seed are of that kind. */
async function isNoticed(broken: BrokenParts, kind: RegExp): Promise<boolean> {
  for (let seed = 1; seed <= BROKEN_SEEDS; seed += 1) {
    const { violations } = await runSchedule(seed, broken);
    if (violations.some((what) => kind.test(what))) return true;
  }
  return false;
}

describe('the checks notice', () => {
  test('a reducer that takes the last event', async () => {
    const merge = (left: RequestState, right: RequestState) => ({
      ...left,
      finished: right.finished ?? left.finished,
      attempts: right.attempts.length > 0 ? right.attempts : left.attempts,
    });
    expect(await isNoticed({ merge }, /attempt|another row/)).toBe(true);
  });

  test('a limiter that counts no slots', async () => {
    const limitStore = (nowMs: () => number) => new Unslotted({ nowMs });
    expect(await isNoticed({ limitStore }, /run at once/)).toBe(true);
  });

  test('a limiter whose leases never end', async () => {
    const limitStore = (nowMs: () => number) => new MemoryLimitStore({ nowMs, slotLeaseMs: 1e9 });
    expect(await isNoticed({ limitStore }, /still taken/)).toBe(true);
  });

  test('a limiter that remembers no window', async () => {
    const limitStore = (nowMs: () => number) => new MemoryLimitStore({ nowMs: widened(nowMs) });
    expect(await isNoticed({ limitStore }, /in one window/)).toBe(true);
  });

  test('a writer that acknowledges before it has written', async () => {
    expect(
      await isNoticed(
        { acknowledgesFirst: true, killsWriters: true },
        /no row|never written|assumed although its ingress lives/,
      ),
    ).toBe(true);
  });

  test('an ingress that does not wait until a request is on record', async () => {
    expect(await isNoticed({ trustsPublish: true }, /on record|no row|paid/)).toBe(true);
  });

  test('a worker whose clock lets late requests pass', async () => {
    expect(await isNoticed({ workerSkewMs: -20_000 }, /later than|after its deadline/)).toBe(true);
  });

  test('a bus that closes the gap which a lost frame leaves', async () => {
    expect(await isNoticed({ tamper: frameThief() }, /not what was said|clean end/)).toBe(true);
  });
});

class Unslotted extends MemoryLimitStore {
  override async reserve(request: Parameters<MemoryLimitStore['reserve']>[0]) {
    const limits = request.limits.filter(({ kind }) => kind !== 'concurrency');
    return limits.length === 0
      ? { allowed: true, limits: [] }
      : await super.reserve({ ...request, limits });
  }
}

/** A clock that runs a hundred times too fast. */
function widened(nowMs: () => number): () => number {
  return () => nowMs() * 100;
}

const FRAME_SUBJECT = /\.reply\..*\.frames$/;

/** Takes the second data frame of each attempt away and numbers those behind it anew. */
function frameThief() {
  const dataSeen = new Map<string, number>();
  const stealFrom = ({ key, frames }: CallFrames): CallFrames => {
    const left: Frame[] = [];
    for (const frame of frames) {
      const seen = (dataSeen.get(key) ?? 0) + (frame.type === 'data' ? 1 : 0);
      dataSeen.set(key, seen);
      if (frame.type === 'data' && seen === 2) continue;
      left.push(seen >= 2 ? { ...frame, sequence: frame.sequence - 1 } : frame);
    }
    return { key, frames: left };
  };
  return (message: WireMessage): WireMessage => {
    if (!FRAME_SUBJECT.test(message.subject) || message.data.length === 0) return message;
    return { ...message, data: encodeFrames(decodeFrames(message.data).map(stealFrom)) };
  };
}
