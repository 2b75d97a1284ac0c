import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newInstanceId } from '@gateway/protocol';
import { HealthChecks } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { expect, onTestFinished, test } from 'vitest';
import { startAllInOne } from '../src/all-in-one.ts';
import { readSettings } from '../src/config.ts';

async function start(directory: string, port: number) {
  const stop = new AbortController();
  const settings = readSettings({ GATEWAY_DATA_DIR: directory, GATEWAY_PORT: String(port) });
  try {
    const gateway = await startAllInOne(settings, {
      name: 'all-in-one',
      version: '0.0.0',
      instance: newInstanceId(),
      logger: createLogger('all-in-one', { level: 'silent' }),
      health: new HealthChecks(),
      signal: stop.signal,
      drainEnding: new AbortController().signal,
    });
    await gateway[Symbol.asyncDispose]();
    return gateway.firstKeys;
  } finally {
    stop.abort();
  }
}

test('a first start that fails makes no keys, so that the next one can show them', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-first-keys-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  await expect(start(directory, port)).rejects.toThrow('is in use, perhaps by another gateway');
  await new Promise((resolve) => other.close(resolve));

  const made = await start(directory, 0);
  expect(made?.client).toMatch(/^gw_/);
  expect(made?.admin).toMatch(/^gw_/);
  expect(await start(directory, 0)).toBeUndefined();
});
