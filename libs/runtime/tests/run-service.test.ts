import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SERVICE = fileURLToPath(new URL('./example-service.ts', import.meta.url));
const CANARY = 'unremarkable-canary';
const LIFETIME_MS_MAX = 20_000;

type Line = Record<string, unknown> & { msg: string };

/** Starts the example service as a process of its own; dispose kills it. */
function startExample(variables: Record<string, string>) {
  const child = spawn(process.execPath, [SERVICE], {
    env: { GATEWAY_METRICS_PORT: '0', EXAMPLE_KEY: CANARY, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIFETIME_MS_MAX,
    killSignal: 'SIGKILL',
  });
  const lines: Line[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(JSON.parse(line)));
  const closed = once(child, 'close');

  const waitForLine = async (message: string): Promise<Line> => {
    for (;;) {
      const found = lines.find((line) => line.msg === message);
      if (found !== undefined) return found;
      const next = await Promise.race([once(reader, 'line'), closed.then(() => 'closed')]);
      if (next === 'closed') throw new Error(`it ended without writing "${message}": ${errors}`);
    }
  };
  return {
    lines,
    waitForLine,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    /** Everything it wrote, and its exit code. */
    async ended() {
      const [exitCode] = await closed;
      return { exitCode, output: JSON.stringify(lines) + errors, errors };
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

describe('runService', { timeout: 20_000 }, () => {
  test('exits with 78 and names every wrong setting of the service and the process', async () => {
    await using example = startExample({
      EXAMPLE_KEY: '',
      EXAMPLE_BEHAVIOUR: CANARY,
      GATEWAY_METRICS_PORT: 'x',
      GATEWAY_DRAIN_SECONDS: '-1',
      LOG_LEVEL: 'loud',
    });
    const { exitCode, errors, output } = await example.ended();
    expect(exitCode).toBe(78);
    const names = errors.split('\n').filter((line) => line.startsWith('  - '));
    expect(names.map((line) => line.split(' ')[3])).toEqual([
      'LOG_LEVEL',
      'GATEWAY_METRICS_PORT',
      'GATEWAY_DRAIN_SECONDS',
      'EXAMPLE_BEHAVIOUR',
      'EXAMPLE_KEY',
    ]);
    expect(output).not.toContain(CANARY);
  });

  test('exits with 78 when the log file cannot be written', async () => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'drains', LOG_FILE: '/dev/null/log' });
    const { exitCode, errors } = await example.ended();
    expect(exitCode).toBe(78);
    expect(errors).toContain('LOG_FILE names a file that cannot be written (');
  });

  test('writes every log line to the log file too, to the last one', async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), 'gateway-log-'));
    const file = join(directory.path, 'new/example.log');
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'drains', LOG_FILE: file });
    await example.waitForLine('started');
    example.kill('SIGTERM');
    await example.ended();
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(example.lines);
    expect(example.lines.at(-1)).toMatchObject({ msg: 'stopped' });
    expect(lines.join('')).not.toContain(CANARY);
  });

  test('drains on SIGTERM, is not ready meanwhile, and exits with 0', async () => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'drains' });
    await example.waitForLine('started');
    const { port } = await example.waitForLine('operations server listens');
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', failing: {} }]);
    example.kill('SIGTERM');
    const { exitCode, output } = await example.ended();
    expect(exitCode).toBe(0);
    expect(example.lines.map((line) => line.msg).slice(-4)).toEqual([
      'started',
      'draining',
      'example drains',
      'stopped',
    ]);
    expect(await example.waitForLine('example drains')).toMatchObject({ aborted: true });
    expect(output).not.toContain(CANARY);
  });

  test('answers /readyz with 503 while it drains, and ends at the bound with 1', async () => {
    await using example = startExample({
      EXAMPLE_BEHAVIOUR: 'never-drains',
      GATEWAY_DRAIN_SECONDS: '1',
    });
    await example.waitForLine('started');
    const { port } = await example.waitForLine('operations server listens');
    example.kill('SIGINT');
    await example.waitForLine('example drains');
    const draining = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect([draining.status, await draining.json()]).toEqual([
      503,
      { status: 'not ready', failing: { process: 'draining' } },
    ]);
    const { exitCode } = await example.ended();
    expect(exitCode).toBe(1);
    expect(example.lines.map((line) => line.msg)).toContain(
      'draining took too long, work in flight is lost',
    );
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('exits at once on a second %s', async (signal, code) => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'never-drains' });
    await example.waitForLine('started');
    // Signals within half a second are one Ctrl-C, so it is sent until it counts as the second.
    const repeated = setInterval(() => example.kill(signal), 100);
    const { exitCode } = await example.ended();
    clearInterval(repeated);
    expect(exitCode).toBe(code);
  });

  test('takes two signals at the same moment for one', async () => {
    await using example = startExample({
      EXAMPLE_BEHAVIOUR: 'never-drains',
      GATEWAY_DRAIN_SECONDS: '1',
    });
    await example.waitForLine('started');
    example.kill('SIGINT');
    await example.waitForLine('example drains');
    example.kill('SIGINT');
    expect((await example.ended()).exitCode).toBe(1);
  });

  test.each([
    ['fails-to-start', 'start failed'],
    ['throws', 'an error was not caught'],
    ['rejects', 'an error was not caught'],
  ])('logs why it %s and exits with 1', async (behaviour, message) => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: behaviour });
    const { exitCode, output } = await example.ended();
    expect(exitCode).toBe(1);
    expect(await example.waitForLine(message)).toMatchObject({ level: 'fatal' });
    expect(output).not.toContain(CANARY);
  });

  test('says alone, and without a stack, what its user can mend, and exits with 1', async () => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'is-refused' });
    const { exitCode, errors, output } = await example.ended();
    expect(exitCode).toBe(1);
    expect(errors).toBe('example cannot start: the place is taken. Take another.\n');
    expect(example.lines.filter(({ level }) => level === 'fatal')).toEqual([]);
    expect(output).not.toContain('start-error.ts');
  });

  test('says which port of health and metrics is in use, and what to do', async () => {
    await using other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await using example = startExample({
      EXAMPLE_BEHAVIOUR: 'drains',
      GATEWAY_METRICS_PORT: String(port),
    });
    const { exitCode, errors } = await example.ended();
    expect(exitCode).toBe(1);
    expect(errors).toBe(
      `example cannot start: 127.0.0.1:${port} is in use, perhaps by another gateway. ` +
        'Stop what uses it, or set GATEWAY_METRICS_PORT to another port.\n',
    );
  });

  test('says that its host is none of this machine', async () => {
    await using example = startExample({
      EXAMPLE_BEHAVIOUR: 'drains',
      // TEST-NET-1 of RFC 5737.
      GATEWAY_METRICS_HOST: '192.0.2.1',
    });
    const { exitCode, errors } = await example.ended();
    expect(exitCode).toBe(1);
    expect(errors).toBe(
      'example cannot start: 192.0.2.1 is no address of this machine. ' +
        'Set GATEWAY_METRICS_HOST to one that is.\n',
    );
  });

  test('drains after an error that nobody caught', async () => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'throws' });
    expect(await example.waitForLine('example drains')).toMatchObject({ aborted: true });
    expect((await example.ended()).exitCode).toBe(1);
  });

  test('says when the time to drain is ending, early enough to end in it', async () => {
    await using example = startExample({
      EXAMPLE_BEHAVIOUR: 'drains-at-last',
      GATEWAY_DRAIN_SECONDS: '5',
    });
    await example.waitForLine('started');
    example.kill('SIGTERM');
    expect((await example.ended()).exitCode).toBe(0);
  });

  test('logs a drain that fails and exits with 1', async () => {
    await using example = startExample({ EXAMPLE_BEHAVIOUR: 'fails-to-drain' });
    await example.waitForLine('started');
    example.kill('SIGTERM');
    expect((await example.ended()).exitCode).toBe(1);
    expect(await example.waitForLine('draining failed')).toMatchObject({ level: 'error' });
  });

  test('stops at the bound when the start never ends', async () => {
    await using example = startExample({
      EXAMPLE_BEHAVIOUR: 'never-starts',
      GATEWAY_DRAIN_SECONDS: '0.1',
    });
    await example.waitForLine('operations server listens');
    example.kill('SIGTERM');
    expect((await example.ended()).exitCode).toBe(1);
    expect(example.lines.map((line) => line.msg)).not.toContain('started');
  });
});
