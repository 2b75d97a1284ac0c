import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { torture } from './torture.ts';

/** Some faults of the schedule of this seed; the run is over in less than a minute. */
const SEED = 7;
const DURATION_MS = 25_000;
const TIMEOUT_MS = 240_000;

test(
  'a short torture loses nothing, counts nothing twice and makes nothing up',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gateway-torture-'));
    const printed: string[] = [];
    const report = await torture({
      seed: SEED,
      durationMs: DURATION_MS,
      clients: 24,
      rate: 120,
      requestsMax: Number.MAX_SAFE_INTEGER,
      faultsAtOnce: 2,
      faultGapMs: 1_000,
      directory,
      command: `npm run torture -- --seed ${SEED}`,
      print: (text) => void printed.push(text),
    });
    const told = printed.join('\n');
    expect(report.complaints, told).toEqual([]);
    expect(report.violations, told).toEqual([]);
    expect(report.verdicts).toMatchObject({ lost: 0, duplicated: 0, phantom: 0 });
    expect(report.verdicts.ok).toBeGreaterThan(200);
    expect(report.providerCalls).toBeGreaterThan(100);
    expect(Object.keys(report.faults).length).toBeGreaterThan(3);
    await rm(directory, { recursive: true });
  },
  TIMEOUT_MS,
);
