/** Whether the ports of the stack are free, which is asked before anything is started. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { listenAt } from '@gateway/runtime';

const HOST = '127.0.0.1';

export interface WantedPort {
  /** 0 is always free. */
  readonly port: number;
  /** What sets it. */
  readonly setting: string;
}

/** Throws a `StartError` where one is in use, be it by another of them, or may not be used. */
export async function expectFree(ports: readonly WantedPort[]): Promise<void> {
  await using held = new AsyncDisposableStack();
  for (const { port, setting } of ports) {
    const server = createServer();
    const address = { host: HOST, port, hostSetting: '', portSetting: setting };
    await listenAt(address, (at) => once(server.listen(at), 'listening'));
    held.use(server);
  }
}
