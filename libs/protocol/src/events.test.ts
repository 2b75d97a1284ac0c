import { expect, test } from 'vitest';
import {
  type AttemptedEvent,
  EVENT_SCHEMA,
  eventMessageId,
  eventSchemaState,
  gatewayEvent,
} from './events.ts';
import { newRequestId, requestIdTime } from './identity.ts';
import { NO_USAGE } from './usage.ts';

const attempted: AttemptedEvent = {
  kind: 'attempted',
  schema: EVENT_SCHEMA,
  requestId: newRequestId(),
  attempt: 1,
  at: 0,
  tenant: 'default',
  provider: 'openai',
  model: 'gpt',
  finishReasons: [],
  usage: NO_USAGE,
  usageSource: 'provider',
  latencyMs: 1,
  assumed: false,
};

test('an event has one message id, and the assumed form of it another', () => {
  expect(eventMessageId(attempted)).toBe(eventMessageId({ ...attempted, latencyMs: 9 }));
  expect(eventMessageId(attempted)).not.toBe(eventMessageId({ ...attempted, assumed: true }));
  expect(eventMessageId(attempted)).not.toBe(eventMessageId({ ...attempted, attempt: 2 }));
});

test('readers ignore fields that they do not know', () => {
  const read = gatewayEvent.parse({ ...attempted, later: true });
  expect(read).toEqual(attempted);
});

test('an event of a newer schema is told from one that cannot be read', () => {
  expect(eventSchemaState(attempted)).toBe('known');
  expect(eventSchemaState({ schema: EVENT_SCHEMA + 1 })).toBe('newer');
  for (const value of [undefined, null, 'text', {}, { schema: '1' }]) {
    expect(eventSchemaState(value)).toBe('unreadable');
  }
});

test.each([-1, 1.5, Number.MAX_SAFE_INTEGER + 1, '5', Number.NaN])(
  '%s is no count of tokens',
  (count) => {
    const usage = { ...NO_USAGE, inputTokens: count };
    expect(gatewayEvent.safeParse({ ...attempted, usage }).success).toBe(false);
  },
);

test('a request id holds its time', () => {
  const before = Date.now();
  const time = requestIdTime(newRequestId());
  expect(time).toBeGreaterThanOrEqual(before);
  expect(time).toBeLessThanOrEqual(Date.now());
});
