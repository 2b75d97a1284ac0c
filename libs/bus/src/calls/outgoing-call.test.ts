import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { collect, errorOf, HEAD } from '../../tests/contract/sample-messages.ts';
import { data, event, requestId, started } from '../../tests/outgoing-call-fixture.ts';
import {
  ACCEPT_TIMEOUT_MS,
  CALL_WINDOW_BYTES,
  CANCEL_TIMEOUT_MS,
  EVENT_ACKNOWLEDGE_TIMEOUT_MS,
  type ReplyFrame,
} from '../bus.ts';
import {
  answerToLateFrame,
  encodeAccepted,
  encodeEnd,
  encodeFailure,
  encodeJson,
  eventOfLateFrame,
} from './call-messages.ts';

describe('frames', () => {
  test('a complete call ends cleanly, with no timer and no window left', async () => {
    const call = started();
    call.stream();
    call.receive('data', data(10));
    call.receive('end', encodeEnd(event));
    call.machine.acknowledged(true);
    expect(await call.types()).toEqual(['accepted', 'head', 'data', 'end']);
    expect(call.isClosed()).toBe(true);
    expect(call.windows.openBytes).toBe(0);
    expect(call.recorded).toEqual([]);
    expect(call.control).toEqual([]);
  });

  test('a consumer that waits for the end gives its window back once', async () => {
    const call = started();
    const frames = collect(call.machine);
    call.stream();
    call.receive('end', encodeEnd(event));
    call.machine.acknowledged(true);
    await frames;
    expect(call.windows.openBytes).toBe(0);
  });

  test('frames of another attempt are ignored', async () => {
    const call = started();
    call.stream();
    call.machine.receive({ type: 'data', attempt: 1, sequence: 2, payload: data(5) });
    call.receive('end', encodeEnd(event));
    call.machine.acknowledged(true);
    expect(await call.types()).toEqual(['accepted', 'head', 'end']);
  });

  test.each<{ name: string; break: (call: ReturnType<typeof started>) => void }>([
    { name: 'a gap', break: (call) => call.receive('data', data(1), { sequence: 3 }) },
    { name: 'a repetition', break: (call) => call.receive('data', data(1), { sequence: 1 }) },
    {
      name: 'a terminal frame with a count too high',
      break: (call) => call.receive('end', encodeEnd(event), { sequence: 3 }),
    },
    { name: 'a second head', break: (call) => call.receive('head', encodeJson(HEAD)) },
    { name: 'an unreadable end', break: (call) => call.receive('end', Buffer.from('{')) },
    {
      name: 'a byte more than the window',
      break: (call) => call.receive('data', data(CALL_WINDOW_BYTES + 1)),
    },
  ])('$name breaks the stream, and the worker is told', async ({ break: breakIt }) => {
    const call = started();
    call.stream();
    breakIt(call);
    const frames = await collect(call.machine);
    expect(errorOf(frames).code).toBe('stream_interrupted');
    expect(frames).toHaveLength(3);
    expect(call.control).toMatchObject([
      { worker: 'w1', message: { type: 'cancel', abandoned: true } },
    ]);
    expect(call.isClosed()).toBe(true);
  });

  test('data before a head, and a head before accepted, break the call', async () => {
    const early = started();
    early.accept();
    early.receive('data', data(1));
    expect(errorOf(await collect(early.machine)).code).toBe('stream_interrupted');
    const earlier = started();
    earlier.receive('head', encodeJson(HEAD));
    expect(errorOf(await collect(earlier.machine)).code).toBe('stream_interrupted');
  });

  test('nothing follows the terminal frame', async () => {
    const call = started();
    call.stream();
    call.receive('end', encodeEnd(event));
    call.receive('error', encodeFailure(new GatewayError('internal', 'late')));
    call.machine.acknowledged(true);
    call.receive('data', data(1));
    call.machine.workerLost();
    call.machine.busLost();
    expect(await call.types()).toEqual(['accepted', 'head', 'end']);
  });
});

describe('acceptance', () => {
  test('silence until ACCEPT_TIMEOUT_MS is worker_lost', async () => {
    const call = started();
    call.clock.advance(ACCEPT_TIMEOUT_MS - 1);
    expect(call.isClosed()).toBe(false);
    call.clock.advance(1);
    expect(errorOf(await collect(call.machine)).code).toBe('worker_lost');
  });

  test('an accepted call has no accept timer', () => {
    const call = started();
    call.accept();
    call.clock.advance(ACCEPT_TIMEOUT_MS);
    expect(call.isClosed()).toBe(false);
  });

  test('a late accepted is answered with a cancel, any other late frame is not', () => {
    const frame = { attempt: 1, sequence: 0 } as const;
    const late = answerToLateFrame(
      { ...frame, type: 'accepted', payload: encodeAccepted('w1') },
      requestId,
    );
    expect(late).toMatchObject({
      worker: 'w1',
      message: { type: 'cancel', requestId, attempt: 1, abandoned: true },
    });
    const other = answerToLateFrame({ ...frame, type: 'data', payload: data(1) }, requestId);
    expect(other).toBeUndefined();
  });

  test('a late terminal frame of the call itself still says what was spent', () => {
    const late = { attempt: event.attempt, sequence: 2, type: 'end' } as const;
    const frame = { ...late, payload: encodeEnd(event) };
    expect(eventOfLateFrame(frame, requestId)).toEqual(event);
    expect(eventOfLateFrame({ ...frame, attempt: event.attempt + 1 }, requestId)).toBeUndefined();
    expect(eventOfLateFrame({ ...frame, type: 'data' }, requestId)).toBeUndefined();
    const payload = encodeFailure(new GatewayError('overloaded', 'full'));
    expect(eventOfLateFrame({ ...frame, type: 'error', payload }, requestId)).toBeUndefined();
  });
});

describe('the event of a terminal frame', () => {
  const terminal = (frames: readonly ReplyFrame<unknown>[]) => frames.at(-1)?.type;

  test('an acknowledgement that came first is remembered', async () => {
    const call = started();
    call.stream();
    call.machine.acknowledged(true);
    call.receive('end', encodeEnd(event));
    expect(terminal(await collect(call.machine))).toBe('end');
  });

  test('without one in time the caller records the event itself', async () => {
    const call = started();
    call.stream();
    call.receive('end', encodeEnd(event));
    call.clock.advance(EVENT_ACKNOWLEDGE_TIMEOUT_MS - 1);
    expect(call.recorded).toEqual([]);
    call.clock.advance(1);
    expect(terminal(await collect(call.machine))).toBe('end');
    expect(call.recorded).toEqual([event]);
  });

  test('a refusal makes the caller record the event at once', async () => {
    const call = started();
    call.accept();
    call.receive('error', encodeFailure(new GatewayError('provider_timeout', 'slow'), event));
    call.machine.acknowledged(false);
    const frames = await collect(call.machine);
    expect(errorOf(frames).code).toBe('provider_timeout');
    expect(frames.at(-1)).toMatchObject({ event });
    expect(call.recorded).toEqual([event]);
  });

  test.each(['end', 'error'] as const)(
    'an %s that cannot be recorded is refused, with its event',
    async (type) => {
      const call = started(() => Promise.reject(new Error('full')));
      call.stream();
      const failure = encodeFailure(new GatewayError('provider_timeout', 'slow'), event);
      call.receive(type, type === 'end' ? encodeEnd(event) : failure);
      call.clock.advance(EVENT_ACKNOWLEDGE_TIMEOUT_MS);
      const frames = await collect(call.machine);
      expect(errorOf(frames).code).toBe('audit_unavailable');
      expect(frames.at(-1)).toMatchObject({ event });
      expect(frames.filter(({ type: one }) => one === 'error')).toHaveLength(1);
    },
  );

  test('an acknowledgement while the caller records makes no second record', async () => {
    const recording = Promise.withResolvers<void>();
    const call = started(() => recording.promise);
    call.stream();
    call.receive('end', encodeEnd(event));
    call.clock.advance(EVENT_ACKNOWLEDGE_TIMEOUT_MS);
    call.machine.acknowledged(false);
    recording.resolve();
    expect(terminal(await collect(call.machine))).toBe('end');
    expect(call.recorded).toHaveLength(1);
  });

  test('an abandoned call settles its event all the same', async () => {
    const call = started();
    call.stream();
    await call.machine[Symbol.asyncIterator]().return?.();
    expect(call.control).toMatchObject([{ message: { type: 'cancel', abandoned: false } }]);
    expect(call.windows.openBytes).toBe(CALL_WINDOW_BYTES);
    call.receive('error', encodeFailure(new GatewayError('client_closed', 'gone'), event));
    call.clock.advance(EVENT_ACKNOWLEDGE_TIMEOUT_MS);
    await Promise.resolve();
    await Promise.resolve();
    expect(call.recorded).toEqual([event]);
    expect(call.isClosed()).toBe(true);
    expect(call.windows.openBytes).toBe(0);
  });
});

describe('what goes wrong', () => {
  const reason = new GatewayError('client_closed', 'left');

  test('a cancel waits CANCEL_TIMEOUT_MS for the worker, then ends the call', async () => {
    const call = started();
    call.stream();
    call.machine.cancel(reason);
    call.machine.cancel(new GatewayError('internal', 'a second one changes nothing'));
    call.clock.advance(CANCEL_TIMEOUT_MS - 1);
    expect(call.isClosed()).toBe(false);
    call.clock.advance(1);
    expect(errorOf(await collect(call.machine)).code).toBe('client_closed');
    expect(call.control.map(({ message }) => 'abandoned' in message && message.abandoned)).toEqual([
      false,
      true,
    ]);
  });

  test('a worker that ends before the cancel reaches it has ended the call', async () => {
    const call = started();
    call.stream();
    call.machine.cancel(reason);
    call.receive('end', encodeEnd(event));
    call.machine.acknowledged(true);
    expect((await collect(call.machine)).at(-1)?.type).toBe('end');
  });

  test('the deadline cancels an accepted call', async () => {
    const call = started();
    call.stream();
    call.clock.advance(60_000);
    expect(call.control).toMatchObject([{ message: { reason: { code: 'deadline_exceeded' } } }]);
    call.clock.advance(CANCEL_TIMEOUT_MS);
    expect(errorOf(await collect(call.machine)).code).toBe('deadline_exceeded');
  });

  test.each([
    { name: 'before accepted', prepare: () => started(), code: 'bus_unavailable' },
    {
      name: 'in the stream',
      prepare: () => {
        const call = started();
        call.stream();
        return call;
      },
      code: 'stream_interrupted',
    },
  ])('a lost bus $name is $code', async ({ prepare, code }) => {
    const call = prepare();
    call.machine.busLost();
    expect(errorOf(await collect(call.machine)).code).toBe(code);
  });

  test('a lost bus while the event settles changes nothing', async () => {
    const call = started();
    call.stream();
    call.receive('end', encodeEnd(event));
    call.machine.busLost();
    call.machine.acknowledged(true);
    expect((await collect(call.machine)).at(-1)?.type).toBe('end');
  });

  test('no responders after accepted is a late answer and means nothing', async () => {
    const call = started();
    call.accept();
    call.machine.noResponders();
    expect(call.isClosed()).toBe(false);
    call.machine.workerLost();
    expect(errorOf(await collect(call.machine)).code).toBe('worker_lost');
  });
});
