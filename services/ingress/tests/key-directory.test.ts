import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInProcessHub } from '@gateway/bus';
import { buckets, type KeyRecord, newInstanceId, newKey } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KeyDirectory } from '../src/key-directory.ts';

const CLIENT = 'a-client-key-of-the-settings';

async function openDirectories(count: number) {
  const path = await mkdtemp(join(tmpdir(), 'key-directory-'));
  const hub = await openInProcessHub({ directory: path, durability: 'process' });
  onTestFinished(async () => {
    await hub.close();
    await rm(path, { recursive: true });
  });
  const connect = () => hub.connect({ service: 'ingress', instance: newInstanceId() });
  const open = () =>
    KeyDirectory.open({
      bus: connect(),
      pepper: new Secret('a-pepper-of-the-tests'),
      bootstrapKeys: { client: new Secret(CLIENT) },
      logger: createLogger('tests', { level: 'silent' }),
    });
  const bucket = await connect().bucket(buckets.keys);
  return { directories: await Promise.all(Array.from({ length: count }, open)), bucket, open };
}

function made(keys: KeyDirectory, fields: Partial<KeyRecord> = {}) {
  const { id, text } = newKey();
  const record: KeyRecord = {
    schema: 1,
    id,
    tenant: 'acme',
    name: 'made',
    role: 'client',
    digest: keys.digest(text),
    createdAt: new Date().toISOString(),
    ...fields,
  };
  return { record, text };
}

describe('KeyDirectory', () => {
  test('knows the keys of the settings, and nobody can take their place', async () => {
    const { directories, bucket } = await openDirectories(1);
    const [keys] = directories as [KeyDirectory];
    expect(keys.find(CLIENT)).toMatchObject({ id: 'bootstrap-client', role: 'client' });
    expect(keys.isBootstrap('bootstrap-client')).toBe(true);
    expect(keys.isBootstrap('bootstrap-admin')).toBe(false);
    const { record } = made(keys, { role: 'admin' });
    await bucket.put('bootstrap-client', { ...record, id: 'bootstrap-client' });
    await bucket.put(record.id, record);
    await waitFor(() => keys.get(record.id), { what: 'the later change' });
    expect(keys.find(CLIENT)).toMatchObject({ role: 'client' });
  });

  test('has a key in force at once where it is put, and soon elsewhere', async () => {
    const { directories, open } = await openDirectories(2);
    const [here, there] = directories as [KeyDirectory, KeyDirectory];
    const { record, text } = made(here);
    await here.put(record);
    expect(here.find(text)).toEqual(record);
    await waitFor(() => there.find(text), { what: 'the key', timeoutMs: 1_000 });
    expect((await open()).find(text)).toEqual(record);
    await here.put({ ...record, revokedAt: new Date().toISOString() });
    expect(here.find(text)).toBeUndefined();
    await waitFor(() => !there.find(text), { what: 'the revocation', timeoutMs: 1_000 });
    expect(there.get(record.id)?.revokedAt).toBeDefined();
  });

  test('finds no key that is expired, deleted, mistyped or another', async () => {
    const { directories, bucket } = await openDirectories(1);
    const [keys] = directories as [KeyDirectory];
    const expired = made(keys, { expiresAt: new Date(Date.now() - 1).toISOString() });
    const lasting = made(keys, { expiresAt: new Date(Date.now() + 60_000).toISOString() });
    await keys.put(expired.record);
    await keys.put(lasting.record);
    expect(keys.find(expired.text)).toBeUndefined();
    expect(keys.find(lasting.text)).toBeDefined();
    for (const text of ['', `${lasting.text}0`, newKey().text, lasting.text.toUpperCase()]) {
      expect(keys.find(text)).toBeUndefined();
    }
    await bucket.delete(lasting.record.id);
    await waitFor(() => !keys.find(lasting.text), { what: 'the deletion' });
  });

  test('finds a key no longer that expires after it was found', async () => {
    const { directories } = await openDirectories(1);
    const [keys] = directories as [KeyDirectory];
    const expiresAt = Date.now() + 200;
    const { record, text } = made(keys, { expiresAt: new Date(expiresAt).toISOString() });
    await keys.put(record);
    expect(keys.find(text)).toEqual(record);
    await waitFor(() => Date.now() > expiresAt, { what: 'the end of the key' });
    expect(keys.find(text)).toBeUndefined();
  });

  test.for([
    ['cannot be read', (record: KeyRecord) => ({ ...record, role: 'root' })],
    ['is under the name of another', (record: KeyRecord) => ({ ...record, id: 'another' })],
  ] as const)('refuses a key whose record %s', async ([, spoiled]) => {
    const { directories, bucket } = await openDirectories(1);
    const [keys] = directories as [KeyDirectory];
    const { record, text } = made(keys);
    await keys.put(record);
    await bucket.put(record.id, spoiled(record));
    await waitFor(() => !keys.find(text), { what: 'the refusal' });
    expect(keys.get('another')).toBeUndefined();
  });
});
