/** The worker as a process of its own, told to stop while a stream runs. */
import { fileURLToPath } from 'node:url';
import { connectNatsBus, provisionNats } from '@gateway/bus';
import { buckets, newInstanceId } from '@gateway/protocol';
import {
  freeLoopbackPort,
  type NodeProcess,
  startNats,
  startNodeProcess,
  startSimulator,
} from '@gateway/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, configurationOf, REVISION } from './worker-harness.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const PROVIDERS = [{ name: 'openai', kind: 'openai' }] as const;

let cleanUp: AsyncDisposableStack;
let nats: Awaited<ReturnType<typeof startNats>>;
let simulator: Awaited<ReturnType<typeof startSimulator>>;
let ingress: Awaited<ReturnType<typeof connectNatsBus>>;

beforeAll(async () => {
  cleanUp = new AsyncDisposableStack();
  nats = cleanUp.use(await startNats());
  simulator = cleanUp.use(await startSimulator());
  await provisionNats({ url: nats.url });
  const identity = { service: 'ingress', instance: newInstanceId() } as const;
  ingress = cleanUp.use(await connectNatsBus({ url: nats.url, identity }));
  const bucket = await ingress.bucket(buckets.configuration);
  await bucket.put(REVISION, configurationOf(REVISION, PROVIDERS));
});
afterAll(() => cleanUp.disposeAsync());

async function startWorker(drainSeconds: string): Promise<NodeProcess> {
  const port = await freeLoopbackPort();
  const worker = startNodeProcess({
    script: MAIN,
    environment: {
      NATS_URL: nats.url,
      OPENAI_API_KEY: 'key-of-openai',
      OPENAI_BASE_URL: simulator.baseUrls.openai,
      GATEWAY_METRICS_PORT: String(port),
      GATEWAY_DRAIN_SECONDS: drainSeconds,
      LOG_LEVEL: 'warn',
    },
  });
  cleanUp.defer(async () => void (await worker.stop()));
  await worker.waitForHttp(`http://127.0.0.1:${port}/readyz`);
  return worker;
}

/** Streams until the end, and tells the worker to stop at the first piece. */
function streamThroughStop(worker: NodeProcess, text: string) {
  let isStopped = false;
  return ask(ingress, {
    provider: 'openai',
    model: 'gpt-5',
    text,
    stream: true,
    onData: () => {
      if (!isStopped) worker.kill('SIGTERM');
      isStopped = true;
      return undefined;
    },
  });
}

test('SIGTERM lets a stream come to its end, and the process ends with 0', async () => {
  const worker = await startWorker('20');
  const reply = await streamThroughStop(worker, 'sim:drip=10ms;tokens=80');
  expect(reply.error).toBeUndefined();
  expect(reply.body.endsWith('data: [DONE]\n\n')).toBe(true);
  expect(await worker.waitExit()).toMatchObject({ code: 0 });
});

test('what runs for longer than the drain may take is cancelled and recorded', async () => {
  const worker = await startWorker('1.5');
  const reply = await streamThroughStop(worker, 'sim:drip=50ms;tokens=2000');
  expect(reply.error?.code).toBe('shutting_down');
  expect(reply.event).toMatchObject({ errorCode: 'shutting_down', usageSource: 'estimated' });
  const call = await simulator.waitFor(
    ({ headers, ended }) => headers['x-gateway-request-id'] === reply.requestId && ended !== 'open',
  );
  expect(call.ended).toBe('aborted-by-client');
  expect(await worker.waitExit()).toMatchObject({ code: 0 });
});
