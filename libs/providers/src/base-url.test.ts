import { describe, expect, test } from 'vitest';
import { parseBaseUrl, withQuery } from './base-url.ts';

describe('parseBaseUrl', () => {
  test.each([
    ['keeps the path of the base URL', 'https://api.openai.com/v1', '/models', '/v1/models'],
    ['tolerates a slash at the end', 'https://api.openai.com/v1/', '/models', '/v1/models'],
    ['tolerates several', 'http://host:8000/v1//', '/models', '/v1/models'],
    ['takes an address alone', 'https://api.anthropic.com', '/v1/messages', '/v1/messages'],
    ['keeps a longer prefix', 'http://host/a/b', '/v1/messages', '/a/b/v1/messages'],
    ['adds a slash where there is none', 'http://host/a', 'models', '/a/models'],
    ['keeps a query of the path', 'http://host', '/x:y?alt=sse', '/x:y?alt=sse'],
  ])('%s', (_name, base, path, expected) => {
    expect(parseBaseUrl(base).pathOf(path)).toBe(expected);
  });

  test('knows the port of each scheme', () => {
    expect(parseBaseUrl('http://host/v1')).toMatchObject({ host: 'host', port: 80 });
    expect(parseBaseUrl('https://host/v1')).toMatchObject({ host: 'host', port: 443 });
    expect(parseBaseUrl('http://host:8080/v1')).toMatchObject({ origin: 'http://host:8080' });
  });

  test.each(['ftp://host', 'file:///etc/passwd', 'host:8080', 'nothing'])('refuses %s', (text) => {
    expect(() => parseBaseUrl(text)).toThrow(TypeError);
  });
});

describe('withQuery', () => {
  test.each([
    ['/a', '', '/a'],
    ['/a', 'api-version=2024-10-21', '/a?api-version=2024-10-21'],
    ['/a?alt=sse', 'x=a%26b&y=1', '/a?alt=sse&x=a%26b&y=1'],
  ])('%s with %s is %s', (path, query, expected) => {
    expect(withQuery(path, query)).toBe(expected);
  });
});
