import {
  CACHED_BODY_BYTES_MAX,
  DEFAULT_TIMEOUTS,
  type InferenceRequest,
  NO_USAGE,
  newRequestId,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { CacheCopy } from './cache-store.ts';

const cache = { key: 'a'.repeat(64), ttlSeconds: 60 };
const head = { contentType: 'text/event-stream', provider: 'openai', model: 'gpt-5' };

const request: InferenceRequest = {
  requestId: newRequestId(),
  tenant: 'tenant-1',
  dialect: 'chat',
  model: 'fast',
  target: { provider: 'openai', model: 'gpt-5' },
  configurationRevision: '0'.repeat(16),
  stream: true,
  includeUsage: false,
  timeouts: DEFAULT_TIMEOUTS,
  cache,
};

describe('CacheCopy', () => {
  test('holds exactly the bytes that were sent', () => {
    const copy = new CacheCopy(request);
    copy.add(Buffer.from('data: 1\n\n'));
    copy.add(Buffer.from('data: [DONE]\n\n'));
    const message = copy.message(head, ['stop'], NO_USAGE);
    expect(String(message?.body)).toBe('data: 1\n\ndata: [DONE]\n\n');
    expect(message?.value).toMatchObject({
      tenant: 'tenant-1',
      ...cache,
      entry: { ...head, usage: NO_USAGE },
    });
  });

  test('keeps an answer at the bound and none one byte past it', () => {
    const copy = new CacheCopy(request);
    copy.add(Buffer.alloc(CACHED_BODY_BYTES_MAX));
    expect(copy.message(head, ['stop'], NO_USAGE)?.body.length).toBe(CACHED_BODY_BYTES_MAX);
    copy.add(Buffer.alloc(1));
    expect(copy.message(head, ['stop'], NO_USAGE)).toBeUndefined();
    copy.add(Buffer.alloc(1));
    expect(copy.message(head, ['stop'], NO_USAGE)).toBeUndefined();
  });

  test('keeps nothing of a request that is not to be stored', () => {
    const { cache: _cache, ...uncached } = request;
    const copy = new CacheCopy(uncached);
    copy.add(Buffer.from('x'));
    expect(copy.message(head, ['stop'], NO_USAGE)).toBeUndefined();
  });

  test.each([
    [['stop'], true],
    [['length'], true],
    [['tool_calls'], true],
    [['stop', 'stop'], true],
    [['content_filter'], false],
    [['stop', 'content_filter'], false],
    [[], false],
  ])('with finish reasons %j: stored %s', (finishReasons, isStored) => {
    const copy = new CacheCopy(request);
    copy.add(Buffer.from('x'));
    expect(copy.message(head, finishReasons, NO_USAGE) !== undefined).toBe(isStored);
  });
});
