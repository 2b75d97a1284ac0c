import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES } from '@gateway/protocol';
import { freeLoopbackPort, repositoryRoot, startNodeProcess } from '@gateway/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openaiClient, prompt } from './gateway-calls.ts';

const READY_TIMEOUT_MS = 100_000;
const EXIT_TIMEOUT_MS = 60_000;
const SERVERS = ['nats', 'redis', 'postgres'];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-e2e-stack-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function start(port: number, operationsPort: number) {
  return startNodeProcess({
    script: join(repositoryRoot, 'infra/stack/src/main.ts'),
    environment: {
      GATEWAY_DATA_DIR: directory,
      GATEWAY_PORT: String(port),
      GATEWAY_METRICS_PORT: String(operationsPort),
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
