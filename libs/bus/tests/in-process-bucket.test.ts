import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { BUCKET_BYTES_MAX, BucketFile, VALUE_BYTES_MAX } from '../src/in-process/bucket-file.ts';
import { temporaryDirectory } from './in-process-fixture.ts';

const SILENT = { warn: () => {}, error: () => {} };

async function bucketPath(): Promise<string> {
  return join(await temporaryDirectory(), 'keys.json');
}

describe('BucketFile', () => {
  test('keeps values and revisions over a restart', async () => {
    const path = await bucketPath();
    const first = await BucketFile.open(path, SILENT);
    expect(await first.put('a', { n: 1 })).toBe(1);
    expect(await first.put('b', { n: 2 })).toBe(2);
    expect(await first.put('__proto__', 3)).toBe(3);
    await first.delete('a');
    const second = await BucketFile.open(path, SILENT);
    expect(await second.get('a')).toBeUndefined();
    expect(await second.get('b')).toEqual({ value: { n: 2 }, revision: 2 });
    expect(await second.get('__proto__')).toEqual({ value: 3, revision: 3 });
    expect(await second.put('a', { n: 5 })).toBe(5);
  });

  test('gives each reader a value of its own', async () => {
    const bucket = await BucketFile.open(await bucketPath(), SILENT);
    const value = { list: [1] };
    await bucket.put('a', value);
    value.list.push(2);
    const read = (await bucket.get('a'))?.value as typeof value;
    read.list.push(3);
    expect(await bucket.get('a')).toEqual({ value: { list: [1] }, revision: 1 });
  });

  test('tells a watcher the snapshot, then changes in order, never inside itself', async () => {
    const bucket = await BucketFile.open(await bucketPath(), SILENT);
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

  test('survives a write that was cut short', async () => {
    const path = await bucketPath();
    const first = await BucketFile.open(path, SILENT);
    await first.put('a', 1);
    await writeFile(`${path}.new`, '{"revision":9,"entr');
    const second = await BucketFile.open(path, SILENT);
    expect(await second.get('a')).toEqual({ value: 1, revision: 1 });
    await second.put('a', 2);
    expect(await readdir(join(path, '..'))).toEqual(['keys.json']);
  });

  test('does not start empty where its file is unreadable', async () => {
    const path = await bucketPath();
    await writeFile(path, '{');
    await expect(BucketFile.open(path, SILENT)).rejects.toThrow();
  });

  test('takes a value of the largest size and refuses one a byte larger', async () => {
    const bucket = await BucketFile.open(await bucketPath(), SILENT);
    const text = 'x'.repeat(VALUE_BYTES_MAX - 2);
    await bucket.put('a', text);
    await expect(bucket.put('a', `${text}x`)).rejects.toMatchObject({ code: 'bus_unavailable' });
    expect((await bucket.get('a'))?.revision).toBe(1);
  });

  test('refuses what makes it too large, keeping what it had', async () => {
    const path = await bucketPath();
    const text = 'x'.repeat(VALUE_BYTES_MAX - 2);
    const most = Math.floor(BUCKET_BYTES_MAX / (VALUE_BYTES_MAX + 1));
    const entries = Array.from({ length: most }, (_, index) => [
      `k${index}`,
      { text: `"${text}"`, revision: index + 1 },
    ]);
    await writeFile(path, JSON.stringify({ revision: most, entries }));
    const bucket = await BucketFile.open(path, SILENT);
    await bucket.put('small', 1);
    await expect(bucket.put('large', text)).rejects.toMatchObject({ code: 'bus_unavailable' });
    expect(await bucket.get('large')).toBeUndefined();
    await bucket.delete('k0');
    await bucket.put('large', text);
  });

  test('refuses a key that is none', async () => {
    const bucket = await BucketFile.open(await bucketPath(), SILENT);
    await bucket.put('k'.repeat(128), 1);
    for (const key of ['k'.repeat(129), 'a.b', '']) {
      await expect(bucket.put(key, 1)).rejects.toMatchObject({ code: 'internal' });
      await expect(bucket.delete(key)).rejects.toMatchObject({ code: 'internal' });
    }
  });
});
