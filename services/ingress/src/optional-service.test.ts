import { createLogger } from '@gateway/telemetry';
import { describe, expect, test, vi } from 'vitest';
import { FAILURES_MAX, OptionalService, REST_MS } from './optional-service.ts';

function startService() {
  const clock = { now: 0 };
  const logger = createLogger('ingress', { level: 'silent' });
  const [warn, info] = [vi.spyOn(logger, 'warn'), vi.spyOn(logger, 'info')];
  const service = new OptionalService({ name: 'cache', logger, now: () => clock.now });
  const state = { fails: true, asked: 0 };
  const ask = () =>
    service.ask(async () => {
      state.asked += 1;
      if (state.fails) throw new Error('no answer');
      return 'answer';
    });
  return { clock, warn, info, service, state, ask };
}

describe('a service that requests can go on without', () => {
  test('is left alone after several failures in a row, and no earlier', async () => {
    const { state, ask } = startService();
    for (let failed = 0; failed < FAILURES_MAX + 5; failed += 1) {
      expect(await ask()).toBeUndefined();
    }
    expect(state.asked).toBe(FAILURES_MAX);
  });

  test('is asked after its rest by one request alone', async () => {
    const { clock, service, state, ask } = startService();
    for (let failed = 0; failed < FAILURES_MAX; failed += 1) await ask();
    clock.now = REST_MS - 1;
    await ask();
    expect(state.asked).toBe(FAILURES_MAX);
    clock.now = REST_MS;
    const answer = Promise.withResolvers<string>();
    const first = service.ask(() => answer.promise);
    expect(await ask()).toBeUndefined();
    expect(state.asked).toBe(FAILURES_MAX);
    answer.resolve('back');
    expect(await first).toBe('back');
    state.fails = false;
    expect(await ask()).toBe('answer');
  });

  test('rests again when that request fails', async () => {
    const { clock, state, ask } = startService();
    for (let failed = 0; failed < FAILURES_MAX; failed += 1) await ask();
    clock.now = REST_MS;
    await ask();
    await ask();
    expect(state.asked).toBe(FAILURES_MAX + 1);
  });

  test('is warned of once for each outage', async () => {
    const { clock, warn, info, state, ask } = startService();
    for (let failed = 0; failed < 10; failed += 1) await ask();
    clock.now = REST_MS;
    state.fails = false;
    await ask();
    await ask();
    expect([warn.mock.calls.length, info.mock.calls.length]).toEqual([1, 1]);
    state.fails = true;
    await ask();
    expect(warn).toHaveBeenCalledTimes(2);
  });
});
