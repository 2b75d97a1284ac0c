import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { collect, errorOf } from '../../tests/contract/sample-messages.ts';
import { data, started } from '../../tests/outgoing-call-fixture.ts';
import { ALL_WINDOWS_BYTES_MAX, CALL_WINDOW_BYTES } from '../bus.ts';
import { WindowPool } from './window-pool.ts';

describe('credit', () => {
  const half = CALL_WINDOW_BYTES / 2;

  /** A call that streams while other calls have so many bytes open, and a way to read data of it. */
  function streamingBeside(otherBytes: number) {
    const windows = new WindowPool();
    while (windows.openBytes < otherBytes) windows.open();
    const call = started(undefined, windows);
    call.stream();
    const iterator = call.machine[Symbol.asyncIterator]();
    /** Resolves when the frames before are finished with, and this one is not. */
    const read = async (frames: number) => {
      for (let frame = 0; frame < frames; frame += 1) await iterator.next();
    };
    const grants = () =>
      call.control.map(({ message }) => (message.type === 'credit' ? message.bytes : message.type));
    return { ...call, read, grants };
  }

  test('is granted again in halves as the window is read', async () => {
    const call = streamingBeside(ALL_WINDOWS_BYTES_MAX / 4);
    for (const size of [half - 1, 1, half]) call.receive('data', data(size));
    await call.read(4);
    // Two data frames are handed out; the second is not finished with yet.
    expect(call.grants()).toEqual([]);
    await call.read(1);
    expect(call.grants()).toEqual([half]);
    call.receive('data', data(half));
    await call.read(1);
    expect(call.grants()).toEqual([half, half]);
  });

  test('grows with the window while few are open', async () => {
    const call = streamingBeside(0);
    call.receive('data', data(half));
    call.receive('data', data(1));
    await call.read(4);
    expect(call.grants()).toEqual([half + CALL_WINDOW_BYTES]);
    expect(call.windows.openBytes).toBe(2 * CALL_WINDOW_BYTES);
    // What the worker may send now, to the last byte and one past it.
    call.receive('data', data(half - 1 + half + CALL_WINDOW_BYTES));
    expect(call.isClosed()).toBe(false);
    call.receive('data', data(1));
    expect(errorOf(await collect(call.machine)).code).toBe('stream_interrupted');
    expect(call.windows.openBytes).toBe(0);
  });

  test('is kept back while the window shrinks, since many are open', async () => {
    const call = streamingBeside(0);
    while (call.windows.openBytes < (ALL_WINDOWS_BYTES_MAX * 3) / 4) call.windows.open();
    const othersBytes = call.windows.openBytes - CALL_WINDOW_BYTES;
    const quarter = half / 2;
    for (const size of [half, quarter, quarter]) call.receive('data', data(size));
    await call.read(4);
    expect(call.windows.openBytes - othersBytes).toBe(half);
    await call.read(1);
    expect(call.windows.openBytes - othersBytes).toBe(quarter);
    expect(call.grants()).toEqual([]);
    // Halved twice, the window has room for what was read since and is not in it any more.
    const last = call.read(1);
    await setImmediate();
    expect(call.grants()).toEqual([half / 4]);
    expect(call.windows.openBytes - othersBytes).toBe(half / 4);
    call.machine.busLost();
    await last;
    expect(call.windows.openBytes).toBe(othersBytes);
  });
});
