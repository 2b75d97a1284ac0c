import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  isLookupReply,
  isLookupRequest,
  isStoreMessage,
  lookupReply,
  lookupRequest,
  storeMessage,
} from './cache-messages.ts';
import { DEFAULT_TIMEOUTS } from './configuration.ts';
import { attemptedEvent, isAttemptedEvent } from './events.ts';
import { exactOr } from './exact-check.ts';
import { newRequestId } from './identity.ts';
import {
  inferenceHead,
  inferenceRequest,
  isInferenceHead,
  isInferenceRequest,
  PASSED_HEADER_CHARACTERS_MAX,
} from './inference-messages.ts';
import {
  heldSlots,
  isHeldSlots,
  isRenewSlots,
  isReserveReply,
  isReserveRequest,
  LIMITS_PER_REQUEST_MAX,
  renewSlots,
  reserveReply,
  reserveRequest,
} from './limit-messages.ts';

const usage = {
  inputTokens: 1,
  outputTokens: 2,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  reasoningTokens: 0,
};
const entry = { contentType: 'a/b', provider: 'openai', model: 'gpt', usage, storedAt: 1 };
const key = '0'.repeat(64);
const scope = 'key:abc';
const window = { scope, kind: 'requests', amount: 5, windowSeconds: 60 };
const slots = { scope, kind: 'concurrency', amount: 5 };
const windowState = { scope, kind: 'requests', amount: 5, remaining: 0, resetMs: 7 };
const held = { requestId: newRequestId(), scopes: [scope, 'key:b'] };
const call = {
  requestId: newRequestId(),
  tenant: 'acme',
  dialect: 'chat',
  model: 'gpt',
  target: { provider: 'openai', model: 'gpt' },
  configurationRevision: '0123456789abcdef',
  stream: true,
  includeUsage: false,
  timeouts: DEFAULT_TIMEOUTS,
};
const fullCall = {
  ...call,
  operation: 'generate',
  stateKey: key,
  arrayStream: false,
  headers: { 'anthropic-version': 'x'.repeat(PASSED_HEADER_CHARACTERS_MAX) },
  cache: { key, ttlSeconds: 60 },
};

const attempted = {
  kind: 'attempted',
  schema: 1,
  requestId: newRequestId(),
  attempt: 1,
  at: 1_700_000_000_000,
  tenant: 'acme',
  provider: 'openai',
  model: 'gpt',
  finishReasons: ['stop'],
  usage,
  usageSource: 'provider',
  latencyMs: 1.5,
  assumed: false,
};
const fullAttempted = {
  ...attempted,
  responseModel: 'gpt-1',
  upstreamRequestId: 'r1',
  upstreamStatus: 200,
  errorCode: 'internal',
  timeToFirstByteMs: 0.5,
};

interface Exact {
  readonly name: string;
  readonly schema: z.ZodType;
  readonly isExact: (value: unknown) => boolean;
  /** What services say. */
  readonly messages: readonly object[];
}

const checks: readonly Exact[] = [
  {
    name: 'reserve request',
    schema: reserveRequest,
    isExact: isReserveRequest,
    messages: [
      { requestId: newRequestId(), limits: [window, slots] },
      { requestId: newRequestId(), limits: Array(LIMITS_PER_REQUEST_MAX).fill(slots) },
    ],
  },
  {
    name: 'reserve reply',
    schema: reserveReply,
    isExact: isReserveReply,
    messages: [
      { allowed: true, limits: [windowState] },
      {
        allowed: false,
        limits: [windowState],
        refusedBy: { scope, kind: 'requests' },
        retryAfterMs: 1,
      },
    ],
  },
  { name: 'held slots', schema: heldSlots, isExact: isHeldSlots, messages: [held] },
  { name: 'renewal', schema: renewSlots, isExact: isRenewSlots, messages: [{ held: [held] }] },
  {
    name: 'lookup request',
    schema: lookupRequest,
    isExact: isLookupRequest,
    messages: [{ tenant: 'acme', key }],
  },
  { name: 'lookup reply', schema: lookupReply, isExact: isLookupReply, messages: [{}, { entry }] },
  {
    name: 'store message',
    schema: storeMessage,
    isExact: isStoreMessage,
    messages: [{ tenant: 'acme', key, ttlSeconds: 60, entry }],
  },
  {
    name: 'inference request',
    schema: inferenceRequest,
    isExact: isInferenceRequest,
    messages: [call, fullCall],
  },
  {
    name: 'inference head',
    schema: inferenceHead,
    isExact: isInferenceHead,
    messages: [{ contentType: 'a/b', provider: 'openai', model: 'gpt' }],
  },
  {
    name: 'attempted event',
    schema: attemptedEvent,
    isExact: isAttemptedEvent,
    messages: [attempted, fullAttempted],
  },
];

/** Values that look nearly right in the place of any other. */
const strange = fc.oneof(
  fc.constantFrom(
    0,
    -1,
    1,
    1.5,
    -0,
    1e9,
    100_000,
    100_001,
    60_000,
    60_001,
    3_600_000,
    3_600_001,
    Number.MAX_SAFE_INTEGER + 1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '',
    'x',
    'key:',
    `key:${'a'.repeat(64)}`,
    `key:${'a'.repeat(65)}`,
    'requests',
    'concurrency',
    'chat',
    'embed',
    '0'.repeat(63),
    `${'0'.repeat(64)}\n`,
    'é',
    'x'.repeat(PASSED_HEADER_CHARACTERS_MAX + 1),
    newRequestId().toUpperCase(),
    '00000000-0000-0000-0000-000000000000',
    null,
    undefined,
    true,
  ),
  fc.constantFrom<unknown>([], {}, [window], [slots], [held], usage, entry, { held: [] }, fullCall),
  fc.constant(Array(LIMITS_PER_REQUEST_MAX + 1).fill(slots)),
  fc.anything(),
);

/** The value with something in it, or itself, set, left out or added. */
function changed(value: unknown, steps: readonly number[], put: unknown): unknown {
  const [step = 0, ...rest] = steps;
  if (typeof value !== 'object' || value === null || steps.length === 0) return put;
  const names = Object.keys(value);
  const name = names[step % (names.length + 1)] ?? 'more';
  if (Array.isArray(value)) {
    const index = step % (value.length + 1);
    return value.toSpliced(index, 1, changed(value[index], rest, put));
  }
  const inner = (value as Record<string, unknown>)[name];
  const { [name]: _, ...others } = value as Record<string, unknown>;
  if (put === undefined && rest.length === 0) return others;
  return { ...others, [name]: name === 'more' ? put : changed(inner, rest, put) };
}

describe.each(checks)('the predicate of a $name', ({ schema, isExact, messages }) => {
  test('knows what services say', () => {
    for (const message of messages) expect(isExact(message)).toBe(true);
  });

  test('is true only for what the schema gives back as it is', () => {
    const steps = fc.array(fc.nat({ max: 12 }), { maxLength: 4 });
    const changes = fc.array(fc.tuple(steps, strange), { maxLength: 2 });
    fc.assert(
      fc.property(fc.constantFrom(...messages), changes, (message, all) => {
        const value = all.reduce<unknown>((now, [path, put]) => changed(now, path, put), message);
        if (!isExact(value)) return;
        expect(schema.parse(value)).toStrictEqual(value);
      }),
      { numRuns: 10_000 },
    );
  });
});

describe('exactOr', () => {
  const check = exactOr(isReserveReply, reserveReply);

  test('gives exact messages back as they are, without a copy', () => {
    const reply = { allowed: true, limits: [windowState] };
    expect(check.parse(reply)).toBe(reply);
  });

  test('leaves to the schema what to strip and what to refuse', () => {
    expect(check.parse({ allowed: true, limits: [], more: 1 })).toEqual({
      allowed: true,
      limits: [],
    });
    expect(() => check.parse({ allowed: 'yes', limits: [] })).toThrow(/allowed/);
    expect(() => check.parse(null)).toThrow(/expected object/);
  });
});
