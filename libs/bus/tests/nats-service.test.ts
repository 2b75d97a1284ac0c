/** What a process on the bus says of itself, and how it ends. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceEndpoint, type ServiceName } from '@gateway/protocol';
import { type NodeProcess, type RunningServer, startNodeProcess, waitFor } from '@gateway/testing';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  attempted,
  callOptions,
  collect,
  HEAD,
  inferenceRequest,
  newProvider,
} from './contract/sample-messages.ts';
import { connectAs, passwordOf, startProvisionedNats } from './nats-fixture.ts';

const PROGRAM = join(import.meta.dirname, 'service-main.ts');
const WORKER_PROGRAM = join(import.meta.dirname, 'worker-main.ts');

let server: RunningServer;
let directory: string;

beforeEach(async () => {
  server = await startProvisionedNats();
  directory = await mkdtemp(join(tmpdir(), 'gateway-spool-'));
  onTestFinished(async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });
});

interface ServiceOptions {
  readonly script?: string;
  readonly arguments?: readonly string[];
  readonly user?: ServiceName;
  readonly nodeArguments?: readonly string[];
}

async function startService(options: ServiceOptions = {}): Promise<NodeProcess> {
  const { script = PROGRAM, user = 'ingress', ...rest } = options;
  const service = startNodeProcess({
    script,
    ...rest,
    environment: {
      NATS_URL: server.url,
      NATS_USER: user,
      NATS_PASSWORD: passwordOf(user),
      GATEWAY_SPOOL_DIR: directory,
      GATEWAY_METRICS_PORT: '0',
    },
  });
  onTestFinished(() => service.kill('SIGKILL'));
  await service.waitForLine(/"msg":"started"/);
  return service;
}

interface Readiness {
  readonly failing: Readonly<Record<string, string>>;
  readonly remarks?: Readonly<Record<string, string>>;
}

async function readiness(service: NodeProcess): Promise<Readiness> {
  const [, port] = await service.waitForLine(/"port":(\d+),"msg":"operations server listens"/);
  const response = await fetch(`http://127.0.0.1:${port}/readyz`);
  return (await response.json()) as Readiness;
}

/** A module that shifts the clock by so much, until SIGUSR2 mends it. */
function shiftedClock(shiftMs: number): string[] {
  const module = `
    const now = Date.now;
    let shiftMs = ${shiftMs};
    Date.now = () => now() + shiftMs;
    process.on('SIGUSR2', () => { shiftMs = 0; });
  `;
  return ['--import', `data:text/javascript,${encodeURIComponent(module)}`];
}

test.each([
  { shiftMs: 2_000, said: /^the clock is \d{4} ms ahead of that of nats-server$/ },
  { shiftMs: -2_000, said: /^the clock is \d{4} ms behind that of nats-server$/ },
])('a clock that is $shiftMs ms off makes it not ready, until it is mended', async (one) => {
  const service = await startService({ nodeArguments: shiftedClock(one.shiftMs) });
  expect((await readiness(service)).failing).toEqual({ clock: expect.stringMatching(one.said) });
  service.kill('SIGUSR2');
  await waitFor(async () => (await readiness(service)).failing.clock === undefined, {
    what: 'the clock to be right',
  });
  expect((await readiness(service)).failing).toEqual({});
});

test('a clock that is a little off does not matter', async () => {
  const service = await startService({ nodeArguments: shiftedClock(150) });
  expect((await readiness(service)).failing).toEqual({});
});

test.each([2_000, -2_000])(
  'a worker whose clock is %i ms off leaves its calls to others, until it is mended',
  async (shiftMs) => {
    const provider = newProvider();
    const skewed = await startService({
      script: WORKER_PROGRAM,
      arguments: [provider],
      user: 'provider-worker',
      nodeArguments: shiftedClock(shiftMs),
    });
    await using ingress = await connectAs('ingress', server.url);
    const lastFrame = async () => {
      const value = inferenceRequest(provider);
      const message = { value };
      const options = callOptions(value.requestId);
      const frames = await collect(ingress.call(inferenceEndpoint(provider), message, options));
      return frames.at(-1);
    };
    expect(await lastFrame()).toMatchObject({ type: 'error', error: { code: 'overloaded' } });
    let taken = 0;
    const good = await connectAs('provider-worker', server.url);
    await good.serve(
      inferenceEndpoint(provider),
      async (call) => {
        taken += 1;
        call.accept();
        call.head(HEAD);
        await call.end(attempted(call.requestId, call.attempt));
      },
      { concurrencyMax: 10 },
    );
    for (let count = 0; count < 20; count += 1) {
      expect(await lastFrame()).toMatchObject({ type: 'end' });
    }
    expect(taken).toBe(20);
    await good.drain();
    skewed.kill('SIGUSR2');
    await waitFor(async () => (await lastFrame())?.type === 'end', { what: 'a mended worker' });
  },
);

test('what waits in its spool is remarked, and does not keep it from ending', async () => {
  const service = await startService();
  expect(await readiness(service)).not.toHaveProperty('remarks');
  await server.kill();
  service.kill('SIGHUP');
  await service.waitForLine(/"msg":"recorded"/);
  const { remarks } = await readiness(service);
  expect(remarks).toEqual({ spool: expect.stringMatching(/^1 events wait, \d+ bytes$/) });
  const startedAt = performance.now();
  service.kill('SIGTERM');
  expect(await service.waitExit()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(await readdir(join(directory, 'ingress'))).toHaveLength(1);
  // A successor leaves nothing, neither of the first nor of its own.
  await server.restart();
  const second = await startService();
  await second.waitForLine(/replayed the spool of a process that died/);
  second.kill('SIGTERM');
  expect(await second.waitExit()).toEqual({ code: 0, signal: null });
  expect(await readdir(join(directory, 'ingress'))).toEqual([]);
});

test('a spool that cannot be written stops the start', async () => {
  const service = startNodeProcess({
    script: PROGRAM,
    environment: {
      NATS_URL: server.url,
      NATS_USER: 'ingress',
      NATS_PASSWORD: passwordOf('ingress'),
      GATEWAY_SPOOL_DIR: PROGRAM,
      GATEWAY_METRICS_PORT: '0',
    },
  });
  expect(await service.waitExit()).toEqual({ code: 1, signal: null });
  expect(service.lines.join()).toMatch(/start failed/);
});
