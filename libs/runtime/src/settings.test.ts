import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parseSettings, readAllSettings, SettingsError } from './settings.ts';
import {
  type Field,
  flag,
  integer,
  list,
  oneOf,
  port,
  seconds,
  secret,
  secretUrl,
  text,
  url,
} from './settings-fields.ts';

const description = 'for the test';
const CANARY = 'canary0canary0canary0';

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const parseOne = <Value>(field: Field<Value>, value?: string) =>
  parseSettings({ field }, { NAME: value }).field;

function writeSecretFile(content: string | Uint8Array): string {
  const path = join(mkdtempSync(join(tmpdir(), 'settings-')), 'secret');
  writeFileSync(path, content);
  return path;
}

describe('parseSettings', () => {
  test('gives each field its type, and defaults to what is absent or empty', () => {
    const values = parseSettings(
      {
        name: text('NAME', { description }),
        size: integer('SIZE', { default: 3, min: 1, max: 5, description }),
        address: url('ADDRESS', { protocols: ['https'], optional: true, description }),
      },
      { NAME: ' a name ', SIZE: '', ADDRESS: '  ' },
    );
    const size: number = values.size;
    const address: string | undefined = values.address;
    expect({ ...values, size, address }).toEqual({ name: 'a name', size: 3, address: undefined });
  });

  test('lists every problem with its variable, and repeats no value', () => {
    const problems = problemsOf(() =>
      parseSettings(
        {
          a: integer('A', { min: 0, max: 9, description }),
          b: oneOf('B', ['x', 'y'], { description }),
          c: url('C', { protocols: ['http', 'https'], description }),
          d: secret('D', { description }),
          e: text('E', { default: 'fine', description }),
          f: secretUrl('F', { protocols: ['redis'], description }),
        },
        { A: CANARY, B: CANARY, C: `http://user:${CANARY}@host`, F: `http://:${CANARY}@host` },
      ),
    );
    expect(problems).toEqual([
      'A must be a whole number from 0 to 9 (for the test)',
      'B must be one of x, y (for the test)',
      'C must not hold a user name or password (for the test)',
      'D is required: set it, or D_FILE to a file that holds it (for the test)',
      'F must be a URL such as redis://host (for the test)',
    ]);
  });

  test('runs a check over all fields when each is right by itself', () => {
    const fields = { a: text('A', { optional: true, description }) };
    const check = (values: { a: string | undefined }, report: (problem: string) => void) => {
      if (values.a === undefined) report('A is needed with B');
    };
    expect(problemsOf(() => parseSettings(fields, {}, check))).toEqual(['A is needed with B']);
    expect(parseSettings(fields, { A: 'x' }, check)).toEqual({ a: 'x' });
  });

  test('takes the first name that is set', () => {
    const fields = { a: text('A', { aliases: ['OTHER'], default: '', description }) };
    expect(parseSettings(fields, { OTHER: 'other' })).toEqual({ a: 'other' });
    expect(parseSettings(fields, { A: 'first', OTHER: 'other' })).toEqual({ a: 'first' });
  });

  test.each([
    [
      'integer',
      integer('NAME', { min: 1, max: 10, description }),
      ['1', '10'],
      ['0', '11', '1.5', '1e1', 'x'],
    ],
    ['port', port('NAME', { description }), ['0', '65535'], ['-1', '65536']],
    [
      'seconds',
      seconds('NAME', { min: 1, max: 60, description }),
      ['1', '60', '1.5'],
      ['0.9', '60.1', '-1', '5s'],
    ],
    ['flag', flag('NAME', { description }), ['true', 'NO', '1', 'off'], ['maybe', '2']],
    [
      'list',
      list('NAME', { description }),
      ['a', 'a, b', Array(100).fill('a').join()],
      ['a,,b', ',', Array(101).fill('a').join()],
    ],
    [
      'url',
      url('NAME', { protocols: ['http'], description }),
      ['http://h:1/v1'],
      ['h:1', 'ftp://h', 'http://', 'http://u@h'],
    ],
    ['text', text('NAME', { description }), ['any text'], ['two\nlines']],
    ['secret', secret('NAME', { lengthMin: 16, description }), ['x'.repeat(16)], ['x'.repeat(15)]],
  ] as [string, Field<unknown>, string[], string[]][])(
    'knows a right %s from a wrong one',
    (_name, field, right, wrong) => {
      for (const value of right) expect(problemsOf(() => parseOne(field, value))).toEqual([]);
      for (const value of wrong) expect(problemsOf(() => parseOne(field, value))).toHaveLength(1);
    },
  );

  test('turns seconds into milliseconds and words into flags and lists', () => {
    expect(parseOne(seconds('NAME', { description }), '1.5')).toBe(1500);
    expect(parseOne(flag('NAME', { description }), 'Off')).toBe(false);
    expect(parseOne(list('NAME', { description }), '10.0.0.0/8, ::1')).toEqual([
      '10.0.0.0/8',
      '::1',
    ]);
  });
});

describe('a secret', () => {
  const fields = { key: secret('KEY', { description }) };

  test('shows its value to reveal() alone', () => {
    const { key } = parseSettings(fields, { KEY: CANARY });
    expect(key.reveal()).toBe(CANARY);
    expect(
      `${key} ${JSON.stringify({ key })} ${inspect({ key }, { depth: 9, showHidden: true })}`,
    ).not.toContain(CANARY);
  });

  test('has several lines where its field says so', () => {
    const document = `{\n  "key": "${CANARY}"\n}`;
    const lines = { key: secret('KEY', { hasLines: true, description }) };
    expect(parseSettings(lines, { KEY: document }).key.reveal()).toBe(document);
    const fromFile = parseSettings(lines, { KEY_FILE: writeSecretFile(`${document}\n`) });
    expect(fromFile.key.reveal()).toBe(document);
  });

  test.each([
    ['a newline', `${CANARY}\n`],
    ['a carriage return and a newline', `${CANARY}\r\n`],
    ['nothing', CANARY],
  ])('comes from the file that NAME_FILE names, which ends in %s', (_name, content) => {
    const { key } = parseSettings(fields, { KEY_FILE: writeSecretFile(content) });
    expect(key.reveal()).toBe(CANARY);
  });

  test.each([
    [
      'both are set',
      { KEY: CANARY, KEY_FILE: '/x' },
      'KEY and KEY_FILE are both set: unset one of them',
    ],
    [
      'the file does not exist',
      { KEY_FILE: '/does/not/exist' },
      'KEY_FILE names a file that cannot be read (ENOENT)',
    ],
    [
      'the file is a directory',
      { KEY_FILE: tmpdir() },
      'KEY_FILE names a file that cannot be read (EISDIR)',
    ],
    ['the file is empty', { KEY_FILE: writeSecretFile('\n') }, 'KEY_FILE names an empty file'],
    [
      'the file has two lines',
      { KEY_FILE: writeSecretFile(`${CANARY}\n\n`) },
      'KEY must be one line without control characters',
    ],
    [
      'the file never ends',
      { KEY_FILE: '/dev/zero' },
      'KEY_FILE names a file of more than 65536 bytes',
    ],
  ])('is a problem when %s', (_name, environment, problem) => {
    expect(problemsOf(() => parseSettings(fields, environment))).toEqual([problem]);
  });

  test('may have 65536 bytes in its file and not one more', () => {
    const longest = 'x'.repeat(65_536);
    const { key } = parseSettings(fields, { KEY_FILE: writeSecretFile(longest) });
    expect(key.reveal()).toHaveLength(65_536);
    const longer = { KEY_FILE: writeSecretFile(`${longest}x`) };
    expect(problemsOf(() => parseSettings(fields, longer))).toHaveLength(1);
  });

  test('may be a whole URL with a password', () => {
    const schema = {
      database: secretUrl('DATABASE_URL', { protocols: ['postgres'], description }),
    };
    const value = `postgres://user:${CANARY}@db:5432/gateway`;
    expect(parseSettings(schema, { DATABASE_URL: value }).database.reveal()).toBe(value);
  });
});

describe('readAllSettings', () => {
  const read = (name: string, value?: string) => () =>
    parseSettings({ value: text(name, { description }) }, { [name]: value });

  test('gives the settings of all readers', () => {
    expect(readAllSettings({ a: read('A', '1'), b: read('B', '2') })).toEqual({
      a: { value: '1' },
      b: { value: '2' },
    });
  });

  test('lists the problems of all readers, the same one once', () => {
    const problems = problemsOf(() =>
      readAllSettings({ a: read('A'), b: read('B'), c: read('A') }),
    );
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(['A', 'B']);
  });
});
