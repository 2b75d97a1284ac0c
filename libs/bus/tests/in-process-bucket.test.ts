import { mkdir, readdir, readFile, rm, rmdir, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BucketFile, VALUE_BYTES_MAX, WAITING_BYTES_MAX } from '../src/in-process/bucket-file.ts';
import { entryBytes, fileBytesMax, GROWTH_BYTES_MIN } from '../src/in-process/bucket-storage.ts';
import { temporaryDirectory } from './in-process-fixture.ts';

const SILENT = { warn: () => {}, error: () => {} };

async function bucketPath(): Promise<string> {
  return join(await temporaryDirectory(), 'keys');
}

async function openBucket(path: string, bytesMax?: number): Promise<BucketFile> {
  const bucket = await BucketFile.open(path, SILENT, bytesMax);
  onTestFinished(() => bucket.close());
  return bucket;
}

async function filesBeside(path: string): Promise<string[]> {
  return await readdir(dirname(path));
}

/** Without the zeros that are written ahead. */
async function recordedBytes(path: string): Promise<number> {
  const bytes = await readFile(path);
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

describe('BucketFile', () => {
  test('keeps values and revisions over a restart', async () => {
    const path = await bucketPath();
    const first = await openBucket(path);
    expect(await first.put('a', { n: 1 })).toBe(1);
    expect(await first.put('b', { n: 2 })).toBe(2);
    expect(await first.put('__proto__', 3)).toBe(3);
    await first.delete('a');
    await first.close();
    const second = await openBucket(path);
    expect(await second.get('a')).toBeUndefined();
    expect(await second.get('b')).toEqual({ value: { n: 2 }, revision: 2 });
    expect(await second.get('__proto__')).toEqual({ value: 3, revision: 3 });
    expect(await second.put('a', { n: 5 })).toBe(5);
  });

  test('gives each reader a value of its own', async () => {
    const bucket = await openBucket(await bucketPath());
    const value = { list: [1] };
    await bucket.put('a', value);
    value.list.push(2);
    const read = (await bucket.get('a'))?.value as typeof value;
    read.list.push(3);
    expect(await bucket.get('a')).toEqual({ value: { list: [1] }, revision: 1 });
  });

  test('tells a watcher the snapshot, then changes in order, never inside itself', async () => {
    const bucket = await openBucket(await bucketPath());
    await bucket.put('a', 1);
    const told: string[] = [];
    let inside = false;
    const watching = bucket.watch({
      changed(key, entry) {
        expect(inside).toBe(false);
        inside = true;
        told.push(`${key}=${entry?.value}`);
        if (key === 'a') void bucket.put('from-watcher', entry?.value);
        inside = false;
      },
      ready: () => told.push('ready'),
    });
    expect(told).toEqual([]);
    const subscription = await watching;
    await waitFor(() => told.length === 3, { what: 'the change made by the watcher' });
    await Promise.all([bucket.put('b', 2), bucket.put('b', 3), bucket.delete('b')]);
    await waitFor(() => told.length === 6, { what: 'three changes' });
    await subscription.drain();
    await bucket.put('c', 4);
    expect(told).toEqual(['a=1', 'ready', 'from-watcher=1', 'b=2', 'b=3', 'b=undefined']);
  });

  test('gives no revision twice when the last change before a restart was a deletion', async () => {
    const path = await bucketPath();
    const first = await openBucket(path);
    await first.put('a', 1);
    await first.delete('a');
    await first.close();
    const second = await openBucket(path);
    expect(await second.put('a', 2)).toBe(3);
  });

  test('takes over what an earlier gateway left, once', async () => {
    const path = await bucketPath();
    const entries = [
      ['b', { text: '{"n":2}', revision: 5 }],
      ['a', { text: '1', revision: 3 }],
    ];
    await writeFile(`${path}.json`, JSON.stringify({ revision: 7, entries }));
    const first = await openBucket(path);
    expect(await first.get('a')).toEqual({ value: 1, revision: 3 });
    expect(await first.get('b')).toEqual({ value: { n: 2 }, revision: 5 });
    expect(await filesBeside(path)).toEqual(['keys']);
    await first.close();
    const second = await openBucket(path);
    expect(await second.get('b')).toEqual({ value: { n: 2 }, revision: 5 });
    expect(await second.put('c', 3)).toBe(8);
  });

  test('trusts its own file where the one of an earlier gateway is still there', async () => {
    const path = await bucketPath();
    const first = await openBucket(path);
    await first.put('a', 1);
    await writeFile(`${path}.json`, JSON.stringify({ revision: 9, entries: [] }));
    await first.close();
    const second = await openBucket(path);
    expect(await second.get('a')).toEqual({ value: 1, revision: 1 });
    expect(await filesBeside(path)).toEqual(['keys']);
  });

  test('starts without a change that was cut short', async () => {
    const path = await bucketPath();
    const first = await openBucket(path);
    await first.put('a', 1);
    await first.put('a', 2);
    await first.close();
    await truncate(path, (await stat(path)).size - 1);
    await writeFile(`${path}.new`, 'half of it');
    const second = await openBucket(path);
    expect(await second.get('a')).toEqual({ value: 1, revision: 1 });
    expect(await second.put('a', 3)).toBe(2);
  });

  test('does not start where a change cannot be read', async () => {
    const path = await bucketPath();
    const first = await openBucket(path);
    await Promise.all([first.put('a', 1), first.put('b', 2)]);
    await first.put('c', 3);
    await first.close();
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30);
    await writeFile(path, bytes);
    await expect(openBucket(path)).rejects.toThrow('is damaged at 0 to ');
    await rm(path);
    await writeFile(`${path}.json`, '{');
    await expect(openBucket(path)).rejects.toThrow(SyntaxError);
  });

  test('takes a value of the largest size and refuses one a byte larger', async () => {
    const bucket = await openBucket(await bucketPath());
    const text = 'x'.repeat(VALUE_BYTES_MAX - 2);
    await bucket.put('a', text);
    await expect(bucket.put('a', `${text}x`)).rejects.toMatchObject({ code: 'bus_unavailable' });
    expect((await bucket.get('a'))?.revision).toBe(1);
  });

  test('takes as much as its bound and refuses a byte more, keeping what it had', async () => {
    const bytesMax = 3 * entryBytes('a', '"1234567890"');
    const bucket = await openBucket(await bucketPath(), bytesMax);
    for (const key of ['a', 'b', 'c']) await bucket.put(key, '1234567890');
    for (const [key, value] of [['c', '12345678901'] as const, ['d', ''] as const]) {
      await expect(bucket.put(key, value)).rejects.toMatchObject({
        facts: { detail: 'the bucket is full' },
      });
    }
    expect(await bucket.get('c')).toEqual({ value: '1234567890', revision: 3 });
    await bucket.put('c', '123456789');
    await bucket.put('c', '1234567890');
    await bucket.delete('a');
    await bucket.put('d', '1234567890');
  });

  test('lets as much wait for the disk as its bound and refuses a byte more', async () => {
    const bucket = await openBucket(await bucketPath());
    // All of these come within one turn, in which nothing gets to the disk but the first.
    const first = bucket.put('first', 1);
    let room = WAITING_BYTES_MAX - entryBytes('first', '1');
    const waiting = [first];
    for (let index = 0; room > 0; index += 1) {
      const key = `k${index}`;
      const least = entryBytes(key, '""');
      const text = 'x'.repeat(Math.min(VALUE_BYTES_MAX - 2, room - least));
      waiting.push(bucket.put(key, text));
      room -= least + text.length;
    }
    await expect(bucket.put('more', 1)).rejects.toMatchObject({
      facts: { detail: 'too many changes wait for the disk' },
    });
    await Promise.all(waiting);
    await bucket.put('more', 1);
  });

  test('writes its file anew when most of it is of the past', async () => {
    const path = await bucketPath();
    const first = await openBucket(path);
    await first.put('kept', 1);
    await first.put('gone', 1);
    await first.delete('gone');
    const text = 'x'.repeat(VALUE_BYTES_MAX - 2);
    const writings = 2 + Math.ceil((2 * VALUE_BYTES_MAX + GROWTH_BYTES_MIN) / VALUE_BYTES_MAX);
    for (let index = 0; index < writings; index += 1) await first.put('large', text);
    await first.close();
    expect((await stat(path)).size).toBeLessThan(writings * VALUE_BYTES_MAX);
    const second = await openBucket(path);
    expect(await second.get('kept')).toEqual({ value: 1, revision: 1 });
    expect(await second.get('gone')).toBeUndefined();
    expect(await second.get('large')).toEqual({ value: text, revision: 3 + writings });
    expect(await second.put('next', 1)).toBe(4 + writings);
  });

  test('adds to a file that cannot be written anew, up to a bound, and recovers', async () => {
    const path = await bucketPath();
    const bytesMax = VALUE_BYTES_MAX + 100;
    const bucket = await openBucket(path, bytesMax);
    await bucket.put('large', 1);
    await mkdir(`${path}.new`);
    const text = 'x'.repeat(VALUE_BYTES_MAX - 2);
    const refused = { code: 'bus_unavailable' };
    let revision = 1;
    while (fileBytesMax(bytesMax) - (await recordedBytes(path)) > VALUE_BYTES_MAX + 200) {
      revision = await bucket.put('large', text);
    }
    await expect(bucket.put('large', text)).rejects.toMatchObject(refused);
    expect((await bucket.get('large'))?.revision).toBe(revision);
    await rmdir(`${path}.new`);
    await bucket.put('large', 1);
    await bucket.close();
    const reopened = await openBucket(path);
    expect(await reopened.get('large')).toEqual({ value: 1, revision: revision + 1 });
  });

  test('refuses a key that is none', async () => {
    const bucket = await openBucket(await bucketPath());
    await bucket.put('k'.repeat(128), 1);
    for (const key of ['k'.repeat(129), 'a.b', '']) {
      await expect(bucket.put(key, 1)).rejects.toMatchObject({ code: 'internal' });
      await expect(bucket.delete(key)).rejects.toMatchObject({ code: 'internal' });
    }
  });
});
