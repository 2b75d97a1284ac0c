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

/** The headers as Node lists them: each name followed by its value. */
function listed(headers: Readonly<Record<string, readonly string[] | undefined>>): string[] {
  return Object.entries(headers).flatMap(([name, values = []]) =>
    values.flatMap((value) => [name, value]),
  );
}

describe('authenticate', () => {
  test.for([
    { authorization: [`Bearer ${KEY}`] },
    { authorization: [`bearer ${KEY}`] },
    { Authorization: [`Bearer ${KEY}`] },
    { 'x-api-key': [KEY] },
    { 'x-goog-api-key': [KEY] },
    { authorization: [`Bearer ${KEY}`], 'x-api-key': [KEY] },
  ])('takes %j', (headers) => {
    expect(authenticate({ rawHeaders: listed(headers) }, keys)).toBe(record);
  });

  test('refuses a key in an address of Google’s, even beside a good one, and says where it belongs', () => {
    const rawHeaders = listed({ 'x-goog-api-key': [KEY] });
    const ask = (url: string) => authenticate({ rawHeaders, url }, keys);
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
    const said = refused.map((headers) => {
      try {
        return authenticate({ rawHeaders: listed(headers) }, keys).id;
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
