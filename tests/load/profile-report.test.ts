import { expect, test } from 'vitest';
import type { CpuProfile } from './cpu-profile.ts';
import { type ProfileFile, profileReport } from './profile-report.ts';

const window = { from: 1_000, until: 2_000 };
const load = { requests: 10 };
const rounds = [
  {
    system: 'stack',
    variant: 'plain',
    round: 2,
    processes: { ingress: 17, cache: 18 },
    measurements: { 'plain-16': { window, load } },
  },
] as never;

const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: { functionName: '(root)', url: '', lineNumber: -1 }, children: [2, 3] },
    {
      id: 2,
      callFrame: {
        functionName: 'plan',
        url: 'file:///g/services/ingress/src/plan.ts',
        lineNumber: 4,
      },
    },
    { id: 3, callFrame: { functionName: 'writev', url: '', lineNumber: -1 } },
  ],
  startTime: 0,
  endTime: 3_000,
  samples: [2, 3],
  timeDeltas: [500, 1_000],
};
const file = (name: string): ProfileFile => ({ name, read: () => profile });

test('a profile is held to the load that ran meanwhile, for each of its requests', () => {
  const text = profileReport({ rounds }, [file('CPU.20260101.120000.17.0.001.cpuprofile')], {
    scenario: 'plain-16',
    lines: 2,
  });
  expect(text.split('\n')).toEqual([
    'stack, plain, round 2, plain-16: ingress, thread 0, 100.0 µs a request of 10',
    '  itself, by package',
    '     50.0  services/ingress',
    '     50.0  writev',
    '  with all that it calls, by function',
    '    100.0  (root)',
    '     50.0  plan services/ingress/src/plan.ts:5',
  ]);
});

test.each([
  ['of a process of another run', 'CPU.20260101.120000.99.0.001.cpuprofile', 'plain-16'],
  ['of a load that did not run', 'CPU.20260101.120000.17.0.001.cpuprofile', 'plain-64'],
  ['that is none', 'run.json', 'plain-16'],
])('nothing is said of a file %s', (_, name, scenario) => {
  expect(profileReport({ rounds }, [file(name)], { scenario, lines: 2 })).toBe('');
});
