import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '@gateway/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ALL_IN_ONE } from './embedded-gateway.ts';
import { openaiClient, prompt } from './gateway-calls.ts';

const EXIT_TIMEOUT_MS = 60_000;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-e2e-start-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** No key of any provider, no key of ours, nothing but ports that are free. */
function start(settings: Record<string, string> = {}): NodeProcess {
  const environment = {
    GATEWAY_DATA_DIR: directory,
    GATEWAY_PORT: '0',
    GATEWAY_METRICS_PORT: '0',
    ...settings,
  };
  return startNodeProcess({ script: ALL_IN_ONE, environment });
}

async function addressOf(gateway: NodeProcess): Promise<string> {
  const [, address = ''] = await gateway.waitForLine(/^The gateway answers at (\S+)$/);
  return address;
}

/** What it wrote for people, and what it logged as fatal. */
function saidTo({ lines }: NodeProcess): readonly string[] {
  return lines.filter((line) => !line.startsWith('{') || line.includes('"level":"fatal"'));
}

let clientKey = '';

test('a first start makes keys, prints them once and stores no text of them', async () => {
  await using gateway = start();
  const baseUrl = await addressOf(gateway);
  [, clientKey = ''] = await gateway.waitForLine(/^ {2}client key {2}(gw_\S+)$/);
  const [, adminKey = ''] = await gateway.waitForLine(/^ {2}admin key {3}(gw_\S+)$/);
  const asked = await fetch(`${baseUrl}/admin/v1/keys`, {
    headers: { authorization: `Bearer ${adminKey}` },
  });
  expect(asked.status).toBe(200);

  const { choices } = await openaiClient({ baseUrl, clientKey }).chat.completions.create({
    model: 'demo',
    messages: [prompt('Who are you?')],
  });
  expect(choices[0]?.message.content).toMatch(/^This is a demonstration: no model was asked/);
  const stream = await openaiClient({ baseUrl, clientKey }).chat.completions.create({
    model: 'demo',
    messages: [prompt('And in pieces?')],
    stream: true,
  });
  const chunks = await Array.fromAsync(stream);
  expect(chunks.length).toBeGreaterThan(5);

  for (const key of [clientKey, adminKey]) {
    const [, secret = ''] = /^gw_[a-z2-7]{12}_([\w-]{43})_[0-9a-f]{8}$/.exec(key) ?? [];
    expect(secret).not.toBe('');
    for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      const bytes = await readFile(path).catch(() => Buffer.alloc(0));
      expect([path, bytes.includes(secret)]).toEqual([path, false]);
    }
  }
});

test('says how to call it in a curl line', async () => {
  await using gateway = start();
  const baseUrl = await addressOf(gateway);
  const [, body = ''] = await gateway.waitForLine(/^ {4}-d '(.*)'$/);
  await gateway.waitForLine(new RegExp(`^ {2}curl ${baseUrl}/v1/chat/completions`));
  const response = await fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
    body,
  });
  expect(response.status).toBe(200);
});

test('a later start prints no key and knows those of the first', async () => {
  await using gateway = start();
  const baseUrl = await addressOf(gateway);
  const models = await Array.fromAsync(openaiClient({ baseUrl, clientKey }).models.list());
  expect(models.map(({ id }) => id)).toContain('demo');
  expect(gateway.lines.join('\n')).not.toContain('gw_');
});

test('a second process on the same data is refused in one line that says why', async () => {
  await using first = start();
  const baseUrl = await addressOf(first);
  await using second = start();
  expect(await second.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 1 });
  expect(saidTo(second)).toEqual([
    `all-in-one cannot start: ${directory} is in use by process ${first.pid} on ${hostname()}. ` +
      'Stop that process, or set GATEWAY_DATA_DIR to another directory.',
  ]);
  // The first one is none the worse for it.
  const models = await Array.fromAsync(openaiClient({ baseUrl, clientKey }).models.list());
  expect(models.length).toBeGreaterThan(0);
});

test('a port that is in use is said in one line', async () => {
  await using other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await using gateway = start({ GATEWAY_PORT: String(port) });
  expect(await gateway.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 1 });
  expect(saidTo(gateway)).toEqual([
    `all-in-one cannot start: 127.0.0.1:${port} is in use, perhaps by another gateway. ` +
      'Stop what uses it, or set GATEWAY_PORT to another port.',
  ]);
});

test('a data directory that cannot be made is said in one line', async () => {
  const file = join(directory, 'file');
  await writeFile(file, '');
  await using gateway = start({ GATEWAY_DATA_DIR: join(file, 'data') });
  expect(await gateway.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 1 });
  expect(saidTo(gateway)).toEqual([
    `all-in-one cannot start: ${file}/data cannot be made (ENOTDIR). ` +
      'Set GATEWAY_DATA_DIR to a directory that can be written.',
  ]);
});

test('a provider without a key is refused clearly', async () => {
  await using gateway = start();
  const baseUrl = await addressOf(gateway);
  const response = await fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [prompt('Hello')] }),
  });
  expect(response.status).toBeGreaterThanOrEqual(500);
  const { error } = (await response.json()) as { error: { message: string } };
  expect(error.message).toMatch(/openai/i);
});
