import {
  type Configuration,
  configuration,
  DEFAULT_TIMEOUTS,
  type KeyRecord,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { mayUse, planRequest, routeOf } from './plan.ts';

const KEY: KeyRecord = {
  schema: 1,
  id: 'key',
  tenant: 'default',
  name: 'a key',
  role: 'client',
  digest: '0'.repeat(64),
  createdAt: '2026-01-01T00:00:00Z',
};

function withModels(models: Configuration['models']): Configuration {
  return configuration.parse({
    schema: 1,
    revision: '0123456789abcdef',
    providers: [
      { name: 'openai', kind: 'openai' },
      { name: 'google', kind: 'google' },
    ],
    models,
    timeouts: DEFAULT_TIMEOUTS,
    cache: { enabled: true, ttlSeconds: 60 },
  });
}

const CONFIGURATION = withModels([
  { match: 'gpt-4o*', targets: [{ provider: 'google', model: 'stand-in' }] },
  { match: 'gpt-*', targets: [{ provider: 'openai' }] },
  { match: 'gpt-*', targets: [{ provider: 'google' }] },
  { match: 'gpt-4o', targets: [{ provider: 'openai' }, { provider: 'google', model: 'second' }] },
  { match: 'slow', targets: [{ provider: 'openai' }], timeouts: { totalMs: 1_000 } },
  { match: 'finished', targets: [{ provider: 'openai' }], clientLeaves: 'finish' },
  { match: 'openai/known', targets: [{ provider: 'google', model: 'redirected' }] },
]);

describe('planRequest', () => {
  const cases: [name: string, model: string, targets: object[]][] = [
    [
      'an exact name goes before patterns',
      'gpt-4o',
      [
        { provider: 'openai', model: 'gpt-4o' },
        { provider: 'google', model: 'second' },
      ],
    ],
    ['the longest pattern wins', 'gpt-4o-mini', [{ provider: 'google', model: 'stand-in' }]],
    ['of equal patterns the first wins', 'gpt-5', [{ provider: 'openai', model: 'gpt-5' }]],
    ['a pattern takes what is before its star', 'gpt-', [{ provider: 'openai', model: 'gpt-' }]],
    ['a provider may be named', 'openai/any', [{ provider: 'openai', model: 'any' }]],
    ['a model may hold slashes', 'openai/a/b', [{ provider: 'openai', model: 'a/b' }]],
    [
      'a route goes before a provider',
      'openai/known',
      [{ provider: 'google', model: 'redirected' }],
    ],
  ];
  test.for(cases)('%s', ([, model, targets]) => {
    expect(planRequest(CONFIGURATION, KEY, model).targets).toEqual(targets);
  });

  test.for(['unknown', 'GPT-4o', 'openai/', '/gpt', 'nobody/gpt-4o', '', '*', 'constructor'])(
    'says that there is no model "%s"',
    (model) => {
      expect(() => planRequest(CONFIGURATION, KEY, model)).toThrow(
        expect.objectContaining({ code: 'model_not_found', facts: { param: 'model' } }),
      );
    },
  );

  test('lets a route change some of the timeouts', () => {
    expect(planRequest(CONFIGURATION, KEY, 'slow').timeouts).toEqual({
      ...DEFAULT_TIMEOUTS,
      totalMs: 1_000,
    });
    expect(planRequest(CONFIGURATION, KEY, 'gpt-5').timeouts).toEqual(DEFAULT_TIMEOUTS);
  });

  test('says of each model what becomes of a call whose client left', () => {
    expect(planRequest(CONFIGURATION, KEY, 'finished').finishesAlone).toBe(true);
    expect(planRequest(CONFIGURATION, KEY, 'slow').finishesAlone).toBe(false);
  });

  test('refuses a model that the key may not use, known or not', () => {
    for (const model of ['gpt-4o', 'unknown']) {
      expect(() => planRequest(CONFIGURATION, { ...KEY, models: ['gpt-5*'] }, model)).toThrow(
        expect.objectContaining({ code: 'permission_denied' }),
      );
    }
  });
});

describe('a plan that was made before', () => {
  test('is the same for the same name, and another under another configuration', () => {
    const plan = planRequest(CONFIGURATION, KEY, 'gpt-4o');
    expect(planRequest(CONFIGURATION, KEY, 'gpt-4o')).toBe(plan);
    const other = withModels([{ match: 'gpt-4o', targets: [{ provider: 'openai', model: 'x' }] }]);
    expect(planRequest(other, KEY, 'gpt-4o').targets).toEqual([{ provider: 'openai', model: 'x' }]);
    expect(planRequest(CONFIGURATION, KEY, 'gpt-4o')).toBe(plan);
  });

  test('is no way in for a key that may not use the model', () => {
    planRequest(CONFIGURATION, KEY, 'gpt-4o');
    expect(() => planRequest(CONFIGURATION, { ...KEY, models: [] }, 'gpt-4o')).toThrow(
      expect.objectContaining({ code: 'permission_denied' }),
    );
  });

  test('is not the plan of one provider alone', () => {
    const plan = planRequest(CONFIGURATION, KEY, 'gpt-4o');
    expect(planRequest(CONFIGURATION, KEY, 'gpt-4o', 'google').targets).toHaveLength(1);
    expect(planRequest(CONFIGURATION, KEY, 'gpt-4o')).toBe(plan);
  });

  test('is remembered for a name of 256 characters, and not for a longer one', () => {
    const longest = 'gpt-'.padEnd(256, 'x');
    const plan = planRequest(CONFIGURATION, KEY, longest);
    expect(planRequest(CONFIGURATION, KEY, longest)).toBe(plan);
    const longer = planRequest(CONFIGURATION, KEY, `${longest}x`);
    expect(planRequest(CONFIGURATION, KEY, `${longest}x`)).not.toBe(longer);
    expect(planRequest(CONFIGURATION, KEY, `${longest}x`)).toEqual(longer);
  });
});

test('mayUse takes everything without a list and nothing with an empty one', () => {
  expect(mayUse(KEY, 'any')).toBe(true);
  expect(mayUse({ ...KEY, models: [] }, 'any')).toBe(false);
  expect(mayUse({ ...KEY, models: ['*'] }, 'any')).toBe(true);
  expect(mayUse({ ...KEY, models: ['any'] }, 'anything')).toBe(false);
});

test('routeOf knows no provider that is not configured', () => {
  expect(routeOf(CONFIGURATION, 'anthropic/claude')).toBeUndefined();
});
