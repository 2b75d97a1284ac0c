import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES } from '@gateway/protocol';
import { freeLoopbackPort, repositoryRoot, startNodeProcess, waitFor } from '@gateway/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openaiClient, prompt } from './gateway-calls.ts';

const READY_TIMEOUT_MS = 100_000;
const EXIT_TIMEOUT_MS = 60_000;
/** Less than the minute that a start may take. */
const GIVE_UP_MS_MAX = 30_000;
const SERVERS = ['nats', 'redis', 'postgres'];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-e2e-stack-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function start(port: number, operationsPort: number, settings: Record<string, string> = {}) {
  return startNodeProcess({
    script: join(repositoryRoot, 'infra/stack/src/main.ts'),
    environment: {
      GATEWAY_DATA_DIR: directory,
      GATEWAY_PORT: String(port),
      GATEWAY_METRICS_PORT: String(operationsPort),
      ...settings,
    },
  });
}

test('npm run stack names its processes, answers, and stops all of them on Ctrl-C', async () => {
  const port = await freeLoopbackPort();
  await using stack = start(port, (await freeLoopbackPort()) - SERVICES.length);
  await stack.waitForLine(/^The gateway answers at /, READY_TIMEOUT_MS);
  const pids: number[] = [];
  for (const name of [...SERVERS, ...SERVICES]) {
    const [, pid] = await stack.waitForLine(new RegExp(`^${name} +pid (\\d+) +\\w+://127.0.0.1:`));
    pids.push(Number(pid));
  }
  for (const pid of pids) expect(process.kill(pid, 0)).toBe(true);
  const [, clientKey = ''] = await stack.waitForLine(/^ {2}client key {2}(gw_\S+)$/);
  const client = openaiClient({ baseUrl: `http://127.0.0.1:${port}`, clientKey });
  const { choices } = await client.chat.completions.create({
    model: 'demo',
    messages: [prompt('Hello')],
  });
  expect(choices[0]?.message.content).toMatch(/^This is a demonstration/);

  const { mode } = await stat(join(directory, 'secrets.json'));
  expect(mode & 0o777).toBe(0o600);

  stack.kill('SIGINT');
  expect(await stack.waitExit(EXIT_TIMEOUT_MS)).toEqual({ code: 0, signal: null });
  for (const service of SERVICES) expect(stack.lines).toContain(`${service} stopped`);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  for (const file of await readdir(join(directory, 'logs'))) {
    const last = (await readFile(join(directory, 'logs', file), 'utf8'))
      .trimEnd()
      .split('\n')
      .at(-1);
    expect(JSON.parse(last ?? '')).toMatchObject({ msg: 'stopped', exit_code: 0 });
  }
});

test('npm run stack refuses wrong settings', async () => {
  await using stack = start(65_536, -1);
  expect(await stack.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 78 });
  const output = stack.lines.join('\n');
  expect(output).toContain('GATEWAY_PORT');
  expect(output).toContain('GATEWAY_METRICS_PORT');
});

test('npm run stack refuses wrong settings of a service', async () => {
  await using stack = start(0, 0, { RATE_LIMIT_REQUESTS: 'many' });
  expect(await stack.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 78 });
  expect(stack.lines).toContainEqual(expect.stringMatching(/^RATE_LIMIT_REQUESTS must be /));
});

test('npm run stack says which port is in use, and starts nothing', async () => {
  await using other = createServer((_, response) => void response.end()).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  for (const [httpPort, operationsPort, setting] of [
    [port, 0, 'GATEWAY_PORT'],
    [0, port, 'GATEWAY_METRICS_PORT, the first of five ports,'],
  ] as const) {
    await using stack = start(httpPort, operationsPort);
    expect(await stack.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 1 });
    expect(stack.lines).toEqual([
      `stack cannot start: 127.0.0.1:${port} is in use, perhaps by another gateway. ` +
        `Stop what uses it, or set ${setting} to another port.`,
    ]);
  }
});

test('npm run stack leaves the directory of another to it', async () => {
  await using first = start(0, 0);
  await first.waitForLine(/^nats +pid /, READY_TIMEOUT_MS);
  await using second = start(0, 0);
  expect(await second.waitExit(EXIT_TIMEOUT_MS)).toMatchObject({ code: 1 });
  expect(second.lines).toEqual([
    `stack cannot start: ${directory} is in use by process ${first.pid} on ${hostname()}. ` +
      'Stop that process, or set GATEWAY_DATA_DIR to another directory.',
  ]);
});

test('npm run stack stops on Ctrl-C before its start is complete', async () => {
  await using stack = start(0, 0);
  await stack.waitForLine(/^nats +pid /, READY_TIMEOUT_MS);
  stack.kill('SIGINT');
  expect(await stack.waitExit(GIVE_UP_MS_MAX)).toEqual({ code: 0, signal: null });
  expect(stack.lines).toContain('stopped before the start was complete');
});

test('npm run stack starts no service after Ctrl-C', async () => {
  const lock = join(directory, 'directory.holder.json');
  await rm(lock, { force: true });
  await using stack = start(0, 0);
  await waitFor(() => existsSync(lock), { what: 'the directory to be held' });
  stack.kill('SIGINT');
  expect(await stack.waitExit(EXIT_TIMEOUT_MS)).toEqual({ code: 0, signal: null });
  expect(stack.lines).toEqual(['stopped before the start was complete']);
});
