/** Portkey's gateway: one process, no bus, no limits, no audit. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freeLoopbackPort, repositoryRoot } from '@gateway/testing';
import { inheritedEnvironment } from '../config.ts';
import { startLoggedProcess } from './logged-process.ts';
import { CHAT_PATH, type RunningSystem, type SystemOptions } from './system.ts';

const packageDirectory = join(repositoryRoot, 'tests/load/node_modules/@portkey-ai/gateway');

export async function startPortkey(options: SystemOptions): Promise<RunningSystem> {
  const { directory, upstreamPort } = options;
  mkdirSync(directory, { recursive: true });
  const port = await freeLoopbackPort();
  const gateway = await startLoggedProcess({
    command: process.execPath,
    arguments: [join(packageDirectory, 'build/start-server.js'), `--port=${port}`, '--headless'],
    environment: { ...inheritedEnvironment(), NODE_ENV: 'production' },
    workingDirectory: directory,
    logFile: join(directory, 'portkey.log'),
    readyUrl: `http://127.0.0.1:${port}/`,
    signal: options.signal,
  });
  return {
    port,
    path: CHAT_PATH,
    headers: {
      authorization: 'Bearer bench',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
    },
    parts: { portkey: gateway.pid },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}
