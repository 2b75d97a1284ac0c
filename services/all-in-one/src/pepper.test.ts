import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadPepper } from './pepper.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-pepper-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('loadPepper', () => {
  test('makes a pepper once and keeps it for its owner alone', async () => {
    const made = (await loadPepper(directory)).reveal();
    expect(made).toMatch(/^[\w-]{43}$/);
    expect((await loadPepper(directory)).reveal()).toBe(made);
    expect((await stat(join(directory, 'key-pepper'))).mode & 0o777).toBe(0o600);
  });

  test('makes another one in another directory', async () => {
    const made = (await loadPepper(directory)).reveal();
    await rm(join(directory, 'key-pepper'));
    expect((await loadPepper(directory)).reveal()).not.toBe(made);
  });

  test.each([
    { name: 'at the bound', text: 'a'.repeat(16), is: true },
    { name: 'one character too short', text: 'a'.repeat(15), is: false },
    { name: 'that a crash left empty', text: '', is: false },
  ])('takes a pepper $name: $is', async ({ text, is }) => {
    await writeFile(join(directory, 'key-pepper'), `${text}\n`);
    const loading = loadPepper(directory);
    if (is) expect((await loading).reveal()).toBe(text);
    else await expect(loading).rejects.toThrow('key-pepper holds no pepper of 16 characters');
  });

  test('takes the one that is there', async () => {
    await writeFile(join(directory, 'key-pepper'), 'a-pepper-of-the-operator\n');
    expect((await loadPepper(directory)).reveal()).toBe('a-pepper-of-the-operator');
  });
});
