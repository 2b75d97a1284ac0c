import { describe, expect, test } from 'vitest';
import { data, event, started } from '../../tests/outgoing-call-fixture.ts';
import type { ReplyFrame } from '../bus.ts';
import { encodeEnd } from './call-messages.ts';

describe('delivery', () => {
  test('hands frames over where they arrive, and resolves with the terminal one', async () => {
    const call = started();
    const types: string[] = [];
    const delivered = call.machine.deliver({
      take: (frame) => {
        types.push(frame.type);
        return undefined;
      },
    });
    call.stream();
    call.receive('data', data(1));
    expect(types).toEqual(['accepted', 'head', 'data']);
    call.machine.acknowledged(true);
    call.receive('end', encodeEnd(event));
    expect(types.at(-1)).toBe('end');
    await delivered;
    expect(call.isClosed()).toBe(true);
    expect(call.windows.openBytes).toBe(0);
  });

  test('hands over what came before there was a consumer', () => {
    const call = started();
    call.stream();
    const types: string[] = [];
    void call.machine.deliver({
      take: ({ type }) => {
        types.push(type);
        return undefined;
      },
    });
    expect(types).toEqual(['accepted', 'head']);
  });

  test('holds the next frame back until the promise of the last one resolves', async () => {
    const call = started();
    const room = Promise.withResolvers<void>();
    const sizes: number[] = [];
    const take = (frame: ReplyFrame<unknown>) => {
      if (frame.type !== 'data') return undefined;
      sizes.push(frame.bytes.length);
      return room.promise;
    };
    const delivered = call.machine.deliver({ take });
    call.stream();
    for (const size of [1, 2]) call.receive('data', data(size));
    call.machine.acknowledged(true);
    call.receive('end', encodeEnd(event));
    expect(sizes).toEqual([1]);
    expect(call.windows.openBytes).toBeGreaterThan(0);
    room.resolve();
    await delivered;
    expect(sizes).toEqual([1, 2]);
    expect(call.windows.openBytes).toBe(0);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('of the consumer');
      },
    ],
    ['rejects', () => Promise.reject(new Error('of the consumer'))],
  ])('cancels when its consumer %s, and takes no more', async (_, take) => {
    const call = started();
    const delivered = call.machine.deliver({ take });
    call.stream();
    await expect(delivered).rejects.toThrow('of the consumer');
    const [cancel] = call.control;
    expect(cancel?.message).toMatchObject({ type: 'cancel', reason: { code: 'client_closed' } });
    call.receive('data', data(1));
    call.machine.acknowledged(true);
    call.receive('end', encodeEnd(event));
    expect(call.isClosed()).toBe(true);
    expect(call.windows.openBytes).toBe(0);
  });

  test('is made once', () => {
    const call = started();
    const take = () => undefined;
    void call.machine.deliver({ take });
    expect(() => call.machine.deliver({ take })).toThrow('once');
  });
});
