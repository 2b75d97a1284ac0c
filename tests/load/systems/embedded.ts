/** The embedded gateway, started by the very file that `npm start` runs. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory, openInProcessHub } from '@gateway/bus';
import { buckets } from '@gateway/protocol';
import { freeLoopbackPort, repositoryRoot } from '@gateway/testing';
import { inheritedEnvironment } from '../config.ts';
import { putKeys } from './key-records.ts';
import { startLoggedProcess } from './logged-process.ts';
import {
  bearer,
  CHAT_PATH,
  CLIENT_KEY,
  gatewaySettings,
  type RunningSystem,
  refusedKey,
  type SystemOptions,
  waitForLedger,
} from './system.ts';

export interface EmbeddedSystem extends RunningSystem {
  readonly readyAfterMs: number;
}

export async function startEmbedded(options: SystemOptions): Promise<EmbeddedSystem> {
  const { directory, keys = 0 } = options;
  if (keys > 0) await fillBucket(directory, keys);
  const port = await freeLoopbackPort();
  const operationsPort = await freeLoopbackPort();
  await using resources = new AsyncDisposableStack();
  const gateway = resources.use(
    await startLoggedProcess({
      command: process.execPath,
      arguments: ['infra/npm/run.mjs', '--gateway', 'services/all-in-one/src/main.ts'],
      environment: {
        ...inheritedEnvironment(),
        ...gatewaySettings(options),
        GATEWAY_DATA_DIR: directory,
        GATEWAY_PORT: String(port),
        GATEWAY_METRICS_PORT: String(operationsPort),
      },
      workingDirectory: repositoryRoot,
      logFile: `${directory}.log`,
      readyUrl: `http://127.0.0.1:${operationsPort}/readyz`,
      signal: options.signal,
    }),
  );
  const baseUrl = `http://127.0.0.1:${port}`;
  const refused = await refusedKey(baseUrl);
  await waitForLedger(baseUrl);
  const held = resources.move();
  return {
    port,
    path: CHAT_PATH,
    headers: bearer(CLIENT_KEY),
    refusedHeaders: bearer(refused),
    parts: { 'all-in-one': gateway.pid },
    readyAfterMs: gateway.readyAfterMs,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function fillBucket(directory: string, keys: number): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await using resources = new AsyncDisposableStack();
  resources.use(await lockDirectory(directory, 'GATEWAY_DATA_DIR'));
  const hub = await openInProcessHub({ directory: join(directory, 'bus') });
  resources.defer(() => hub.close());
  const bus = resources.use(hub.connect({ service: 'ingress', instance: 'benchmark' }));
  await putKeys(await bus.bucket(buckets.keys), keys);
}
