/** The whole gateway as one process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  freeLoopbackPort,
  type NodeProcess,
  repositoryRoot,
  startNodeProcess,
  startOtlpReceiver,
  startSimulator,
} from '@gateway/testing';
import {
  ADMIN_KEY,
  CLIENT_KEY,
  type Gateway,
  type GatewayOptions,
  settingsFor,
} from './gateway.ts';

/** A first start of the embedded database cannot be interrupted. */
const EXIT_TIMEOUT_MS = 60_000;

export const ALL_IN_ONE = join(repositoryRoot, 'services/all-in-one/src/main.ts');

export async function startEmbeddedGateway(options: GatewayOptions = {}): Promise<Gateway> {
  await using resources = new AsyncDisposableStack();
  const simulator = resources.use(await startSimulator());
  const otlp = resources.use(await startOtlpReceiver());
  const directory = await mkdtemp(join(tmpdir(), 'gateway-e2e-embedded-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const port = await freeLoopbackPort();
  const operationsPort = await freeLoopbackPort();
  const environment = {
    ...settingsFor(simulator, otlp, options),
    GATEWAY_DATA_DIR: directory,
    GATEWAY_PORT: String(port),
    GATEWAY_METRICS_PORT: String(operationsPort),
  };
  const operationsUrl = `http://127.0.0.1:${operationsPort}`;
  const incarnations: NodeProcess[] = [];
  const start = async () => {
    const gateway = startNodeProcess({ script: ALL_IN_ONE, environment });
    incarnations.push(gateway);
    await gateway.waitForHttp(`${operationsUrl}/readyz`);
    return gateway;
  };
  let running = await start();
  resources.defer(async () => {
    await running.stop();
  });
  const held = resources.move();
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    clientKey: CLIENT_KEY,
    adminKey: ADMIN_KEY,
    simulator,
    otlp,
    operations: { 'all-in-one': operationsUrl },
    restart: async (signal) => {
      running.kill(signal);
      await running.waitExit(EXIT_TIMEOUT_MS);
      running = await start();
    },
    output: async () => ({
      'all-in-one': incarnations.flatMap(({ lines }) => lines).join('\n'),
    }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
