import type { KeyRecord } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { authenticate } from './authenticate.ts';

const KEY = 'key-of-the-tests';
const record: KeyRecord = {
  schema: 1,
  id: 'key',
  tenant: 'default',
  name: 'a key',
  role: 'client',
  digest: '0'.repeat(64),
  createdAt: '2026-01-01T00:00:00Z',
};
const keys = { find: (text: string) => (text === KEY ? record : undefined) };

describe('authenticate', () => {
  test.for([
    { authorization: [`Bearer ${KEY}`] },
    { authorization: [`bearer ${KEY}`] },
    { 'x-api-key': [KEY] },
    { 'x-goog-api-key': [KEY] },
    { authorization: [`Bearer ${KEY}`], 'x-api-key': [KEY] },
  ])('takes %j', (headersDistinct) => {
    expect(authenticate({ headersDistinct }, keys)).toBe(record);
  });

  test('refuses a key in an address of Google’s, even beside a good one, and says where it belongs', () => {
    const headersDistinct = { 'x-goog-api-key': [KEY] };
    const ask = (url: string) => authenticate({ headersDistinct, url }, keys);
    expect(ask('/v1beta/models/m:countTokens?alt=sse')).toBe(record);
    for (const query of [`key=${KEY}`, 'alt=sse&key=x', '%6bey=x', 'key']) {
      expect(() => ask(`/v1beta/models/m:a?${query}`)).toThrowError(/x-goog-api-key/);
      expect(() => ask(`/v1/models/m:a?${query}`)).toThrowError(/x-goog-api-key/);
    }
    expect(ask('/admin/v1/requests?key=of-a-row')).toBe(record);
  });

  test('refuses everything else with the same words', () => {
    const refused: Record<string, string[]>[] = [
      {},
      { authorization: [''] },
      { authorization: [KEY] },
      { authorization: [`Bearer  ${KEY}`] },
      { authorization: [`Bearer ${KEY} `] },
      { authorization: [`Basic ${KEY}`] },
      { authorization: ['Bearer wrong'] },
      { authorization: [`Bearer ${KEY}`, `Bearer ${KEY}`] },
      { authorization: [`Bearer ${KEY}`], 'x-api-key': ['wrong'] },
      { authorization: ['Basic abc'], 'x-api-key': [KEY] },
      { 'x-api-key': [KEY, 'wrong'] },
      { 'x-api-key': [''] },
      { cookie: [`key=${KEY}`] },
    ];
    const said = refused.map((headersDistinct) => {
      try {
        return authenticate({ headersDistinct }, keys).id;
      } catch (error) {
        return error;
      }
    });
    for (const error of said) {
      expect(error).toMatchObject({ code: 'authentication_failed' });
      expect(error).toEqual(said[0]);
    }
  });
});
