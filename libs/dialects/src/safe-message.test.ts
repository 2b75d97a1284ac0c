import { describe, expect, test } from 'vitest';
import { MESSAGE_CHARACTERS_MAX, safeMessage } from './safe-message.ts';

describe('safeMessage', () => {
  test.each([
    ['Incorrect API key provided: sk-abc123. See the docs.', 'sk-abc123'],
    ['Incorrect API key provided: whatever1. See the docs.', 'whatever1'],
    ['Authentication Fails, Your api key: ****-key is invalid', '****-key'],
    ['invalid token sk-proj-AbC_123-xyz', 'AbC_123'],
    ['Rate limit reached in organization org-AbCdEf12', 'AbCdEf12'],
    ['bad key AIzaSyA-1234567890_abc', 'AIzaSyA'],
    ['Authorization: Bearer abcdefgh.ijkl', 'abcdefgh'],
    ['GET https://a.test/v1?key=hunter22&alt=sse failed', 'hunter22'],
    ['token eyJhbGciOiJI.eyJzdWIi.c2ln refused', 'eyJzdWIi'],
    [`unknown ${'a1'.repeat(30)}`, 'a1a1a1'],
  ])('takes the credential out of %j', (text, secret) => {
    const message = safeMessage(text);
    expect(message).toContain('[removed]');
    expect(message).not.toContain(secret);
  });

  test('leaves words as they are', () => {
    const text = "Unsupported parameter: 'max_tokens' is not supported with gpt-5-mini-2026-01-01.";
    expect(safeMessage(text)).toBe(text);
  });

  test('makes one line of it', () => {
    expect(safeMessage(' a\r\n\tb\u0000c\u2028d ')).toBe('a b c d');
  });

  test('cuts at the bound and not before', () => {
    expect(safeMessage('é'.repeat(MESSAGE_CHARACTERS_MAX))).toHaveLength(MESSAGE_CHARACTERS_MAX);
    const cut = safeMessage('é'.repeat(MESSAGE_CHARACTERS_MAX + 1));
    expect(cut).toHaveLength(MESSAGE_CHARACTERS_MAX);
    expect(cut.endsWith('…')).toBe(true);
  });
});
