import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { CutOff } from './cut-off.ts';

const left = new GatewayError('client_closed', 'The client left.');

describe('CutOff', () => {
  test('stops a call with the reason of its own signal', () => {
    const caller = new AbortController();
    using stop = new CutOff(new AbortController().signal).over(caller.signal);
    expect(stop.signal.aborted).toBe(false);
    caller.abort(left);
    expect(stop.signal.reason).toBe(left);
  });

  test('stops what runs and what comes later when the worker ends', () => {
    const ending = new AbortController();
    const cutOff = new CutOff(ending.signal);
    using running = cutOff.over(new AbortController().signal);
    ending.abort();
    using later = cutOff.over(new AbortController().signal);
    for (const { signal } of [running, later]) {
      expect(signal.reason).toMatchObject({ code: 'shutting_down' });
    }
  });

  test('knows a worker and a call that have ended before', () => {
    using ended = new CutOff(AbortSignal.abort()).over(new AbortController().signal);
    expect(ended.signal.reason).toMatchObject({ code: 'shutting_down' });
    const cutOff = new CutOff(new AbortController().signal);
    using cancelled = cutOff.over(AbortSignal.abort(left));
    expect(cancelled.signal.reason).toBe(left);
  });

  test('leaves a call alone that is over', () => {
    const caller = new AbortController();
    const ending = new AbortController();
    const stop = new CutOff(ending.signal).over(caller.signal);
    stop[Symbol.dispose]();
    caller.abort(left);
    ending.abort();
    expect(stop.signal.aborted).toBe(false);
  });
});
