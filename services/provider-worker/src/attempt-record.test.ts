import type { AnswerFacts } from '@gateway/dialects';
import {
  attemptedEvent,
  DEFAULT_TIMEOUTS,
  GatewayError,
  type InferenceRequest,
  NO_USAGE,
  newRequestId,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { AttemptRecord } from './attempt-record.ts';

const request: InferenceRequest = {
  requestId: newRequestId(),
  tenant: 'default',
  dialect: 'chat',
  model: 'fast',
  target: { provider: 'vendor', model: 'model-1' },
  configurationRevision: '0'.repeat(16),
  stream: true,
  includeUsage: false,
  timeouts: DEFAULT_TIMEOUTS,
};

const NO_FACTS: AnswerFacts = { finishReasons: [], outputCharacters: 0 };
/** Texts of 41 characters. */
const BODY = { messages: [{ role: 'user', content: 'a'.repeat(37) }] };
const USAGE = { ...NO_USAGE, inputTokens: 100, outputTokens: 3 };

function recordOf(facts: AnswerFacts, body: object = BODY): AttemptRecord {
  const asked = { body: Buffer.from(JSON.stringify(body)) };
  return new AttemptRecord(request, 1, { facts, request: asked });
}

describe('AttemptRecord', () => {
  test('costs nothing when nothing was sent', () => {
    expect(recordOf(NO_FACTS).spent()).toEqual({ usage: NO_USAGE, source: 'none' });
  });

  test('costs nothing when the provider refused', () => {
    const record = recordOf(NO_FACTS);
    record.sent();
    record.answered(429, {});
    expect(record.spent()).toEqual({ usage: NO_USAGE, source: 'none' });
  });

  test('costs nothing when the answer was a redirect', () => {
    const record = recordOf(NO_FACTS);
    record.sent();
    const error = new GatewayError('provider_bad_response', 'redirect', { upstreamStatus: 302 });
    expect(record.event(error)).toMatchObject({ usageSource: 'none', upstreamStatus: 302 });
  });

  test('costs what the provider reported in a whole answer, zero included', () => {
    const record = recordOf({ ...NO_FACTS, usage: NO_USAGE, outputCharacters: 40 });
    record.sent();
    record.answered(200, {});
    record.completed();
    expect(record.spent()).toEqual({ usage: NO_USAGE, source: 'provider' });
  });

  test('is estimated, rounded up, when the provider may have taken the call', () => {
    const record = recordOf({ ...NO_FACTS, outputCharacters: 9 });
    record.sent();
    expect(record.spent()).toEqual({
      usage: { ...NO_USAGE, inputTokens: 11, outputTokens: 3 },
      source: 'estimated',
    });
  });

  test.for(['chat', 'messages', 'gemini'] as const)(
    'does not take a picture for text where it is estimated, in the dialect %s',
    (dialect) => {
      const picture = 'A'.repeat(1_000_000);
      const body = {
        chat: { content: [{ type: 'image_url', image_url: { url: `data:;base64,${picture}` } }] },
        messages: { content: [{ type: 'image', source: { type: 'base64', data: picture } }] },
        gemini: { contents: [{ parts: [{ inlineData: { data: picture } }] }] },
      }[dialect];
      const record = recordOf(NO_FACTS, body);
      record.sent();
      expect(record.spent()).toEqual({
        usage: { ...NO_USAGE, inputTokens: 1_600 },
        source: 'estimated',
      });
    },
  );

  test('takes the bytes of what cannot be read for text', () => {
    const asked = { body: Buffer.alloc(41, 'x') };
    const record = new AttemptRecord(request, 1, { facts: NO_FACTS, request: asked });
    record.sent();
    expect(record.spent().usage).toEqual({ ...NO_USAGE, inputTokens: 11 });
  });

  test('takes the output that was seen where a broken answer reported less', () => {
    const record = recordOf({ ...NO_FACTS, usage: USAGE, outputCharacters: 40 });
    record.sent();
    record.answered(200, {});
    expect(record.spent()).toEqual({
      usage: { ...USAGE, outputTokens: 10 },
      source: 'estimated',
    });
  });

  test('becomes an event of the schema, with the provider’s texts cut', () => {
    const record = recordOf({
      usage: USAGE,
      finishReasons: Array.from({ length: 17 }, () => 'stop'),
      responseModel: 'm'.repeat(257),
      outputCharacters: 0,
    });
    record.sent();
    record.answered(200, { 'request-id': 'r'.repeat(257) });
    record.firstByte();
    record.completed();
    const event = record.event();
    expect(attemptedEvent.parse(event)).toEqual(event);
    expect(event.responseModel).toHaveLength(256);
    expect(event.upstreamRequestId).toHaveLength(256);
    expect(event.finishReasons).toHaveLength(16);
    expect(event).toMatchObject({ provider: 'vendor', model: 'model-1', upstreamStatus: 200 });
    expect(event.latencyMs).toBeGreaterThanOrEqual(event.timeToFirstByteMs ?? Infinity);
  });
});
