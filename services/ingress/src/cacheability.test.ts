import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { type CacheQuestion, cacheDirective } from './cacheability.ts';

const question: CacheQuestion = {
  ttl: undefined,
  bypass: undefined,
  deterministic: false,
  policy: { enabled: true, ttlSeconds: 3600 },
};
const off = { enabled: false, ttlSeconds: 3600 };

describe('cacheDirective', () => {
  const cases: [string, Partial<CacheQuestion>, object][] = [
    ['leaves out a request that may vary', {}, { kind: 'off' }],
    ['uses it for a deterministic one', { deterministic: true }, { kind: 'use', ttlSeconds: 3600 }],
    ['uses it for one that asks', { ttl: '60' }, { kind: 'use', ttlSeconds: 60 }],
    ['lets the asked time go first', { ttl: '9', deterministic: true }, { ttlSeconds: 9 }],
    ['takes the shortest time', { ttl: '1' }, { kind: 'use', ttlSeconds: 1 }],
    ['takes the longest time', { ttl: '2592000' }, { kind: 'use', ttlSeconds: 2_592_000 }],
    ['skips for 1', { bypass: '1', deterministic: true }, { kind: 'bypass' }],
    ['skips for true', { bypass: 'True', ttl: '60' }, { kind: 'bypass' }],
    ['does not skip for 0', { bypass: '0', ttl: '60' }, { kind: 'use' }],
    ['does not skip for false', { bypass: 'false', ttl: '60' }, { kind: 'use' }],
    ['does not skip for nothing', { bypass: '', ttl: '60' }, { kind: 'use' }],
    ['is off when switched off', { policy: off, deterministic: true, ttl: '60' }, { kind: 'off' }],
  ];
  test.for(cases)('%s', ([, change, expected]) => {
    expect(cacheDirective({ ...question, ...change })).toMatchObject(expected);
  });

  test.for(['0', '2592001', '-1', '1.5', '1e3', '60, 60', '', 'ten', '99999999'])(
    'refuses a time of "%s", also when it would not be used',
    (ttl) => {
      for (const change of [{}, { bypass: '1' }, { policy: off }]) {
        const ask = () => cacheDirective({ ...question, ...change, ttl });
        expect(ask).toThrow(GatewayError);
        expect(ask).toThrow(
          expect.objectContaining({
            code: 'invalid_request',
            facts: { param: 'x-gateway-cache-ttl' },
          }),
        );
      }
    },
  );
});
