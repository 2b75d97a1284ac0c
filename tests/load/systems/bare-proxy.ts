/** A proxy of forty lines, as a process: the part of every figure that belongs to Node. */
import { join } from 'node:path';
import { repositoryRoot, startNodeProcess } from '@gateway/testing';
import { CHAT_PATH, type RunningSystem, type SystemOptions } from './system.ts';

const SCRIPT = join(repositoryRoot, 'tests/load/systems/bare-proxy-main.ts');

export async function startBareProxy({ upstreamPort }: SystemOptions): Promise<RunningSystem> {
  await using resources = new AsyncDisposableStack();
  const proxy = resources.use(
    startNodeProcess({ script: SCRIPT, arguments: [`http://127.0.0.1:${upstreamPort}`] }),
  );
  const [, port] = await proxy.waitForLine(/^listening (\d+)$/);
  const held = resources.move();
  return {
    port: Number(port),
    path: CHAT_PATH,
    headers: {},
    parts: { bare: proxy.pid },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
