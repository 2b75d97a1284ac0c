import {
  type AttemptedEvent,
  errorToWire,
  FRAME_PAYLOAD_BYTES_MAX,
  type Frame,
  GatewayError,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { attempted, HEAD, rejection } from '../../tests/contract/sample-messages.ts';
import { ManualClock } from '../../tests/manual-clock.ts';
import { encodeFrame } from './call-frames.ts';
import { decodeFailure } from './call-messages.ts';
import { IncomingCallMachine, ORPHANED_EVENT_RETRY_MS } from './incoming-call.ts';

const requestId = '01890a5d-ac96-774b-bcce-b302099a8057';
const event = attempted(requestId);
const ACCEPT_WITHIN_MS = 1_000;

function offered({
  windowBytes = 100,
  frameBytesMax = Number.POSITIVE_INFINITY,
  forCallerFails = false,
  joinsData = false,
} = {}) {
  const clock = new ManualClock();
  const frames: Frame[] = [];
  const forCaller: AttemptedEvent[] = [];
  const recorded: AttemptedEvent[] = [];
  let failures = 0;
  let failure = new GatewayError('audit_unavailable', 'not now');
  let closed = 0;
  const call = new IncomingCallMachine<string, typeof HEAD>({
    opening: {
      ...{ requestId, attempt: 1, windowBytes, caller: 'i1', handBacks: 0 },
      deadlineAt: clock.now() + 60_000,
      acceptBy: clock.now() + ACCEPT_WITHIN_MS,
    },
    request: 'request',
    worker: 'w1',
    clock,
    port: {
      sendFrame: (sent) => {
        const frame = encodeFrame(sent);
        if (frame.payload.length > frameBytesMax) throw new RangeError('too large');
        frames.push({ ...frame, payload: Buffer.from(frame.payload) });
      },
      extendData: (bytes) => {
        const last = frames.at(-1);
        if (!joinsData || last?.type !== 'data') return false;
        frames[frames.length - 1] = { ...last, payload: Buffer.concat([last.payload, bytes]) };
        return true;
      },
      publishForCaller: (one) => {
        if (forCallerFails) throw new GatewayError('bus_unavailable', 'gone');
        forCaller.push(one);
      },
      record: async (one) => {
        if (failures > 0) {
          failures -= 1;
          throw failure;
        }
        recorded.push(one);
      },
      body: () => Promise.resolve(new Uint8Array(0)),
      closed: () => {
        closed += 1;
      },
    },
  });
  const stream = () => {
    call.accept();
    call.head(HEAD);
  };
  const cancel = (abandoned: boolean) => {
    const reason = errorToWire(new GatewayError('client_closed', 'left'));
    call.control({ type: 'cancel', requestId, attempt: 1, reason, abandoned });
  };
  const credit = (bytes: number) => call.control({ type: 'credit', requestId, attempt: 1, bytes });
  return {
    ...{ call, clock, frames, forCaller, recorded, stream, cancel, credit },
    failRecords: (times: number, error = failure) => {
      failures = times;
      failure = error;
    },
    types: () => frames.map(({ type }) => type),
    closedTimes: () => closed,
  };
}

test('frames are numbered from 0, and the last carries the count of those before', async () => {
  const { call, stream, frames, forCaller, closedTimes } = offered();
  stream();
  await call.data(Buffer.from('a'));
  await call.end(event);
  expect(frames.map(({ type, sequence }) => `${sequence} ${type}`)).toEqual([
    '0 accepted',
    '1 head',
    '2 data',
    '3 end',
  ]);
  expect(forCaller).toEqual([event]);
  expect(closedTimes()).toBe(1);
});

describe('accept', () => {
  test('works until the millisecond in which its caller gives it up', async () => {
    const inTime = offered();
    inTime.clock.advance(ACCEPT_WITHIN_MS - 1);
    inTime.call.accept();
    const late = offered();
    late.clock.advance(ACCEPT_WITHIN_MS);
    const error = await rejection(Promise.resolve().then(() => late.call.accept()));
    expect(error.code).toBe('deadline_exceeded');
    expect(late.frames).toEqual([]);
  });

  test('throws the reason of a cancel', async () => {
    const { call, cancel } = offered();
    cancel(false);
    const error = await rejection(Promise.resolve().then(() => call.accept()));
    expect(error.code).toBe('client_closed');
  });

  test('must come first, and once', async () => {
    const { call } = offered();
    const misuse = async (use: () => unknown) => (await rejection((async () => use())())).code;
    expect(await misuse(() => call.head(HEAD))).toBe('internal');
    expect(await misuse(() => call.data(Buffer.from('a')))).toBe('internal');
    call.accept();
    expect(await misuse(() => call.accept())).toBe('internal');
    expect(await misuse(() => call.end(event))).toBe('internal');
  });
});

describe('data', () => {
  test('is sent to the last byte of credit, then waits for more', async () => {
    const { call, stream, frames, credit } = offered({ windowBytes: 10 });
    stream();
    let done = false;
    const sending = call.data(Buffer.alloc(25, 'x'))?.then(() => {
      done = true;
    });
    const sizes = () => frames.slice(2).map(({ payload }) => payload.length);
    expect(sizes()).toEqual([10]);
    credit(10);
    expect(sizes()).toEqual([10, 10]);
    credit(5);
    await Promise.resolve();
    expect(sizes()).toEqual([10, 10, 5]);
    // All of it is sent; it waits for credit for more.
    expect(done).toBe(false);
    credit(1);
    await sending;
    expect(done).toBe(true);
  });

  test('keeps its order when calls are not awaited, and end waits for them', async () => {
    const { call, stream, frames, credit } = offered({ windowBytes: 2 });
    stream();
    const sending = ['ab', 'cd', 'ef'].map((text) => call.data(Buffer.from(text)));
    const ending = call.end(event);
    credit(2);
    credit(2);
    await Promise.all([...sending, ending]);
    const text = frames.flatMap(({ type, payload }) => (type === 'data' ? [String(payload)] : []));
    expect(text.join('')).toBe('abcdef');
    expect(frames.at(-1)?.type).toBe('end');
  });

  test('joins what waits to be sent, under its number and within the credit', async () => {
    const { call, stream, frames, credit } = offered({ windowBytes: 3, joinsData: true });
    stream();
    const sending = ['ab', 'cd'].map((text) => call.data(Buffer.from(text)));
    expect(frames.slice(2).map(({ payload }) => String(payload))).toEqual(['abc']);
    credit(2);
    await Promise.all(sending);
    await call.end(event);
    expect(frames.slice(2).map(({ type, sequence }) => `${sequence} ${type}`)).toEqual([
      '2 data',
      '3 end',
    ]);
    expect(String(frames[2]?.payload)).toBe('abcd');
  });

  test('is cut at FRAME_PAYLOAD_BYTES_MAX', async () => {
    const size = FRAME_PAYLOAD_BYTES_MAX + 1;
    const { call, stream, frames } = offered({ windowBytes: 2 * size });
    stream();
    await call.data(new Uint8Array(FRAME_PAYLOAD_BYTES_MAX));
    await call.data(new Uint8Array(size));
    const sizes = frames.slice(2).map(({ payload }) => payload.length);
    expect(sizes).toEqual([FRAME_PAYLOAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX, 1]);
  });

  test('rejects with the reason of the signal, and an end after it is an error', async () => {
    const { call, stream, cancel, frames } = offered({ windowBytes: 1 });
    stream();
    const waiting = rejection(call.data(Buffer.from('ab')));
    cancel(false);
    expect((await waiting).code).toBe('client_closed');
    expect((await rejection(call.data(Buffer.from('c')))).code).toBe('client_closed');
    await call.end(event);
    expect(frames.at(-1)).toMatchObject({ type: 'error', sequence: 3 });
  });
});

describe('the end', () => {
  test('comes once', async () => {
    const { call, stream, types, forCaller } = offered();
    stream();
    await call.fail(new GatewayError('provider_timeout', 'slow'), event);
    await call.fail(new GatewayError('internal', 'again'), event);
    await call.end(event);
    expect(types()).toEqual(['accepted', 'head', 'error']);
    expect(forCaller).toEqual([event]);
  });

  test('is an error where its event is too large for a frame', async () => {
    const { call, stream, frames } = offered({ frameBytesMax: 256 });
    stream();
    await call.end(event);
    const last = frames.at(-1) as Frame;
    expect(last).toMatchObject({ type: 'error', sequence: 2 });
    expect(decodeFailure(last).error.code).toBe('internal');
  });

  test('leaves no timer behind', async () => {
    const { call, clock, stream } = offered();
    stream();
    await call.end(event);
    expect(clock.pending).toBe(0);
  });
});

describe('a call that nobody waits for', () => {
  test.each([
    { name: 'an abandoning cancel', orphan: (one: ReturnType<typeof offered>) => one.cancel(true) },
    { name: 'a caller gone', orphan: (one: ReturnType<typeof offered>) => one.call.callerGone() },
    { name: 'a lost bus', orphan: (one: ReturnType<typeof offered>) => one.call.busLost() },
  ])('$name: no frame leaves, and the worker records the event', async ({ orphan }) => {
    const one = offered();
    one.stream();
    orphan(one);
    expect(one.call.signal.aborted).toBe(true);
    await one.call.fail(new GatewayError('client_closed', 'left'), event);
    expect(one.types()).toEqual(['accepted', 'head']);
    expect(one.forCaller).toEqual([]);
    expect(one.recorded).toEqual([event]);
  });

  test('the event is tried again for as long as it cannot be recorded', async () => {
    const one = offered();
    one.stream();
    one.call.busLost();
    one.failRecords(1_000);
    let done = false;
    const ending = one.call.fail(new GatewayError('client_closed', 'x'), event).then(() => {
      done = true;
    });
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      one.clock.advance(ORPHANED_EVENT_RETRY_MS);
    }
    await ending;
    expect(one.recorded).toEqual([event]);
  });

  test.each(['internal', 'bus_unavailable'] as const)(
    'and given up at once where it never can be: %s',
    async (code) => {
      const one = offered();
      one.stream();
      one.call.busLost();
      one.failRecords(1, new GatewayError(code, 'never'));
      expect((await rejection(one.call.end(event))).code).toBe(code);
      expect(one.clock.pending).toBe(0);
    },
  );

  test('an event that cannot be handed over is recorded here', async () => {
    const one = offered({ forCallerFails: true });
    one.stream();
    await one.call.end(event);
    expect(one.recorded).toEqual([event]);
    expect(one.types()).toEqual(['accepted', 'head', 'error']);
  });
});

describe('the signal', () => {
  test('has a listener without a signal, told once, or at once when it is late', () => {
    const { call } = offered();
    const told: string[] = [];
    call.onStop(({ code }) => told.push(`early ${code}`));
    call.callerGone();
    call.busLost();
    call.onStop(({ code }) => told.push(`late ${code}`));
    expect(told).toEqual(['early client_closed', 'late client_closed']);
  });

  test('aborts at the deadline', () => {
    const { call, clock } = offered();
    clock.advance(59_999);
    expect(call.signal.aborted).toBe(false);
    clock.advance(1);
    expect(call.signal.reason).toMatchObject({ code: 'deadline_exceeded' });
  });

  test('keeps its first reason', () => {
    const { call, cancel } = offered();
    cancel(false);
    call.busLost();
    expect(call.signal.reason).toMatchObject({ code: 'client_closed' });
  });

  test('does not abort when the call is over', async () => {
    const { call, stream } = offered();
    stream();
    await call.end(event);
    call.callerGone();
    expect(call.signal.aborted).toBe(false);
  });
});
