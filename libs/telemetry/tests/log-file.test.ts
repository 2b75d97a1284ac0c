import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogFile, type LogFileOptions, prepareLogFile } from '../src/log-file.ts';

/** With its newline. */
const LINE_BYTES = 10;
const line = (number: number) => `${String(number).padStart(LINE_BYTES - 1, '0')}\n`;

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-log-'));
  path = join(directory, 'service.log');
});
afterEach(() => rm(directory, { recursive: true }));

function openLog(options: Partial<LogFileOptions> = {}) {
  const failures: unknown[] = [];
  let dropped = 0;
  const file = new LogFile({
    path,
    onDrop: () => {
      dropped += 1;
    },
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return { file, failures, dropped: () => dropped };
}

async function sizes(): Promise<Record<string, number>> {
  const names = (await readdir(directory)).sort();
  const entries = names.map(async (name) => [name, (await stat(join(directory, name))).size]);
  return Object.fromEntries(await Promise.all(entries));
}

describe('LogFile', () => {
  test('appends to what is there, in order', async () => {
    await writeFile(path, line(0));
    const { file } = openLog();
    for (let number = 1; number <= 500; number++) file.write(line(number));
    await file.flush();
    const expected = Array.from({ length: 501 }, (_, number) => line(number)).join('');
    expect(await readFile(path, 'utf8')).toBe(expected);
  });

  test('writes by itself, soon', async () => {
    const { file } = openLog();
    file.write(line(1));
    await expect.poll(() => readFile(path, 'utf8').catch(() => '')).toBe(line(1));
  });

  test('fills a file to its last byte and begins the next with one line more', async () => {
    const { file } = openLog({ fileBytesMax: 3 * LINE_BYTES });
    for (const number of [1, 2, 3]) file.write(line(number));
    await file.flush();
    expect(await sizes()).toEqual({ 'service.log': 3 * LINE_BYTES });
    file.write(line(4));
    await file.flush();
    expect(await sizes()).toEqual({ 'service.log': LINE_BYTES, 'service.log.1': 3 * LINE_BYTES });
    expect(await readFile(path, 'utf8')).toBe(line(4));
  });

  test('keeps the newest lines in as many files as allowed', async () => {
    const { file } = openLog({ fileBytesMax: 2 * LINE_BYTES, filesMax: 3 });
    for (let number = 1; number <= 6; number++) file.write(line(number));
    await file.flush();
    const full = 2 * LINE_BYTES;
    const names = ['service.log', 'service.log.1', 'service.log.2'];
    expect(await sizes()).toEqual(Object.fromEntries(names.map((name) => [name, full])));
    expect(await readFile(`${path}.2`, 'utf8')).toBe(line(1) + line(2));
    file.write(line(7));
    await file.flush();
    expect(await sizes()).toEqual({ ...(await sizes()), 'service.log': LINE_BYTES });
    expect(Object.keys(await sizes())).toEqual(names);
    expect(await readFile(`${path}.2`, 'utf8')).toBe(line(3) + line(4));
  });

  test('drops a line that is larger than a file, and takes one as large', async () => {
    const { file, dropped } = openLog({ fileBytesMax: LINE_BYTES });
    file.write(line(1));
    file.write(`1${line(2)}`);
    await file.flush();
    expect(dropped()).toBe(1);
    expect(await readFile(path, 'utf8')).toBe(line(1));
  });

  test('drops what waits beyond its bound and goes on afterwards', async () => {
    const { file, dropped } = openLog({ waitingBytesMax: 2 * LINE_BYTES });
    file.write(line(1));
    file.write(line(2));
    expect(dropped()).toBe(0);
    file.write(line(3));
    expect(dropped()).toBe(1);
    await file.flush();
    file.write(line(4));
    await file.flush();
    expect(await readFile(path, 'utf8')).toBe(line(1) + line(2) + line(4));
  });

  test('shares a file with another process', async () => {
    const one = openLog({ fileBytesMax: 4 * LINE_BYTES });
    const two = openLog({ fileBytesMax: 4 * LINE_BYTES });
    for (let number = 1; number <= 6; number++) {
      const { file } = number % 2 ? one : two;
      file.write(line(number));
      await file.flush();
    }
    const [newest, older] = [await readFile(path, 'utf8'), await readFile(`${path}.1`, 'utf8')];
    expect(older + newest).toBe([1, 2, 3, 4, 5, 6].map(line).join(''));
  });

  test('says once that it cannot write, and writes again when it can', async () => {
    const { file, failures, dropped } = openLog();
    await mkdir(path);
    for (const number of [1, 2]) {
      file.write(line(number));
      await file.flush();
    }
    expect(failures).toEqual([expect.objectContaining({ code: 'EISDIR' })]);
    expect(dropped()).toBe(2);
    await rm(path, { recursive: true });
    file.write(line(3));
    await file.flush();
    expect(await readFile(path, 'utf8')).toBe(line(3));
  });
});

describe('prepareLogFile', () => {
  test('makes the directory and leaves what is in the file', async () => {
    const nested = join(directory, 'a/b/service.log');
    prepareLogFile(nested);
    await writeFile(nested, 'kept');
    prepareLogFile(nested);
    expect(await readFile(nested, 'utf8')).toBe('kept');
  });

  test('throws where no directory can be', async () => {
    await writeFile(path, '');
    expect(() => prepareLogFile(join(path, 'service.log'))).toThrow(/ENOTDIR|EEXIST/);
  });
});
