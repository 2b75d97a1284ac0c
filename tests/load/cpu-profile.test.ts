import { expect, test } from 'vitest';
import { type CpuProfile, profileTimes } from './cpu-profile.ts';

const frame = (functionName: string, url = '', lineNumber = 0) => ({
  functionName,
  url,
  lineNumber,
});
const PARSE = 'file:///srv/gateway/libs/dialects/src/chat/parse-request.ts';
const ZOD = 'file:///srv/gateway/node_modules/zod/v4/core/parse.js';

/** (root) → parse → zod's → parse again; idle and the collector beside it. */
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 5, 6] },
    { id: 2, callFrame: frame('parse', PARSE, 9), children: [3] },
    { id: 3, callFrame: frame('safeParse', ZOD), children: [4] },
    { id: 4, callFrame: frame('parse', PARSE, 9) },
    { id: 5, callFrame: frame('(idle)') },
    { id: 6, callFrame: frame('(garbage collector)') },
  ],
  startTime: 1_000,
  endTime: 2_000,
  samples: [2, 3, 4, 5, 6],
  timeDeltas: [100, 100, 200, 100, 300],
};

test('a sample stands for the time until the next one, the last until the end', () => {
  const { activeMicroseconds, selfByPackage } = profileTimes(profile);
  expect(selfByPackage).toEqual([
    ['libs/dialects', 200],
    ['zod', 200],
    ['(garbage collector)', 200],
  ]);
  expect(activeMicroseconds).toBe(600);
});

test('a function that calls itself counts once', () => {
  const { inclusiveByFunction } = profileTimes(profile);
  expect(Object.fromEntries(inclusiveByFunction)).toEqual({
    '(root)': 600,
    'parse libs/dialects/src/chat/parse-request.ts:10': 400,
    'safeParse zod/v4/core/parse.js:1': 300,
    '(garbage collector)': 200,
  });
});

test('what lies outside of a window is left out, to the microsecond', () => {
  const { selfByPackage } = profileTimes(profile, { from: 1_150, until: 1_250 });
  expect(selfByPackage).toEqual([
    ['libs/dialects', 50],
    ['zod', 50],
  ]);
  expect(profileTimes(profile, { from: 3_000, until: 4_000 }).activeMicroseconds).toBe(0);
});

test.each([
  ['node:internal/streams/readable', 'node:internal/streams'],
  ['node:_http_server', 'node:_http_server'],
  ['file:///srv/node_modules/@nats-io/nats-core/lib/protocol.js', '@nats-io/nats-core'],
  ['file:///srv/node_modules/@a/b/node_modules/c/index.js', 'c'],
  ['file:///srv/gateway/services/ingress/src/request-path.ts', 'services/ingress'],
  ['file:///srv/other.js', 'file:///srv/other.js'],
])('%s is of %s', (url, expected) => {
  const one: CpuProfile = {
    nodes: [{ id: 1, callFrame: frame('work', url) }],
    startTime: 0,
    endTime: 10,
    samples: [1],
    timeDeltas: [0],
  };
  expect(profileTimes(one).selfByPackage).toEqual([[expected, 10]]);
});
