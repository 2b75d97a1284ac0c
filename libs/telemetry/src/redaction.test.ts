import { describe, expect, test } from 'vitest';
import { neverLog, redactFields, scrubText } from './redaction.ts';

describe('scrubText', () => {
  const canary = 'c4n4ryC4n4ryC4n4ry';
  test.each([
    ['a bearer token', `401 for Authorization: Bearer ${canary}`],
    ['a URL-encoded bearer token', `auth=Bearer%20${canary}`],
    ['basic credentials', `Basic ${btoa(`user:${canary}`)}`],
    ['an OpenAI key', `Incorrect API key provided: sk-proj-${canary}.`],
    ['an Anthropic key', `key sk-ant-api03-${canary} is wrong`],
    ['a gateway key', `gw_abcdefghijkl_${canary}_12345678`],
    ['a Google key', `AIza${canary}`],
    ['a Google key in a URL', `GET https://example.test/v1beta/models?alt=sse&key=${canary}`],
    ['a JSON web token', `eyJhbGciOiJI.${canary}.${canary}`],
    ['a password in a URL', `connect postgres://gateway:${canary}@db:5432/gateway failed`],
    ['a header line', `x-api-key: ${canary}`],
    ['a header inside escaped JSON', JSON.stringify(JSON.stringify({ 'x-goog-api-key': canary }))],
    ['an assignment', `POSTGRES_PASSWORD=${canary} is wrong`],
  ])('hides %s', (_name, text) => {
    expect(text).toMatch(/c4n4ry|YzRuNHJ5|dXNlcjpjNG40/);
    expect(scrubText(text)).not.toMatch(/c4n4ry|YzRuNHJ5|dXNlcjpjNG40/i);
  });

  test.each([
    'the key gw_abcdefghijkl was revoked',
    'https://api.openai.com/v1/chat/completions answered 401',
    'output_tokens: 1234, total_tokens: 99999',
    'the task-force of basic English',
    'mail from someone@example.test',
  ])('leaves %j as it is', (text) => {
    expect(scrubText(text)).toBe(text);
  });

  test('keeps a line valid JSON', () => {
    const line = JSON.stringify({
      msg: 'password="a b" authorization: x',
      url: 'redis://:pw@h',
      max_password: 12345,
      no_secret: true,
      old_api_key: 'abcdef',
    });
    expect(JSON.parse(scrubText(line))).toEqual({
      msg: 'password="a b" authorization: x',
      url: 'redis://[redacted]@h',
      max_password: 12345,
      no_secret: true,
      old_api_key: '[redacted]',
    });
  });
});

describe('neverLog', () => {
  test('hides a value in every form in which it may be written', () => {
    const value = 'pa"ss w/rd$^(*';
    neverLog(value);
    const text = `${value} ${encodeURIComponent(value)} ${JSON.stringify(value)}`;
    expect(scrubText(text)).toBe('[redacted] [redacted] "[redacted]"');
  });

  test('replaces a value of 6 characters and leaves one of 5', () => {
    neverLog('zxcvbn');
    neverLog('qwert');
    expect(scrubText('zxcvbn qwert')).toBe('[redacted] qwert');
  });

  test('hides the whole of a value that begins with another one', () => {
    neverLog('shared-start');
    neverLog('shared-start-and-more');
    expect(scrubText('shared-start-and-more')).toBe('[redacted]');
  });
});

describe('redactFields', () => {
  test('hides values under secret names at any depth and in any spelling', () => {
    const fields = {
      apiKey: 1,
      'X-API-Key': 'a',
      a: { b: [{ api_key: true, Authorization: {} }] },
    };
    expect(redactFields(fields)).toEqual({
      apiKey: '[redacted]',
      'X-API-Key': '[redacted]',
      a: { b: [{ api_key: '[redacted]', Authorization: '[redacted]' }] },
    });
  });

  test('omits headers, bodies and prompts', () => {
    const fields = { headers: { accept: '*/*' }, body: 'hello', request: { messages: ['hello'] } };
    expect(redactFields(fields)).toEqual({
      headers: '[omitted]',
      body: '[omitted]',
      request: { messages: '[omitted]' },
    });
  });

  test('takes of an error its name, message, code, stack and cause alone', () => {
    const error = Object.assign(new TypeError('outer', { cause: new Error('inner') }), {
      code: 'ECODE',
      request: { url: 'https://example.test' },
    });
    expect(redactFields({ error })).toEqual({
      error: {
        name: 'TypeError',
        message: 'outer',
        code: 'ECODE',
        stack: error.stack,
        cause: expect.objectContaining({ name: 'Error', message: 'inner' }),
      },
    });
  });

  test('survives an object that contains itself', () => {
    const fields: Record<string, unknown> = {};
    fields.self = fields;
    expect(JSON.stringify(redactFields(fields))).toContain('[omitted]');
  });

  test('keeps 4096 characters of a text and cuts the 4097th', () => {
    const kept = 'x'.repeat(4096);
    expect(redactFields({ text: kept })).toEqual({ text: kept });
    expect(redactFields({ text: `${kept}y` })).toEqual({ text: `${kept}… 1 more characters` });
  });

  test('keeps 20 items of an array and 50 fields of an object', () => {
    const items = redactFields({ items: Array(21).fill(1) }).items;
    expect(items).toHaveLength(20);
    const wide = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`f${index}`, 1]));
    expect(Object.keys(redactFields(wide))).toHaveLength(50);
  });

  test('describes bytes by their number', () => {
    expect(redactFields({ chunk: new Uint8Array(3) })).toEqual({ chunk: '[3 bytes]' });
  });
});
