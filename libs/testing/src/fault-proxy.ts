import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freeLoopbackPort } from './servers/loopback-port.ts';
import { ToxicPipe, ToxicSetting, type Toxics } from './toxic-pipe.ts';

/** `upstream` is what clients send, `downstream` what comes back. */
export type Direction = 'upstream' | 'downstream';

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Sets the faults of a direction, for open connections too; those left out end. */
  setToxics(direction: Direction, toxics: Toxics): void;
  /** Closes all connections and refuses new ones, until `up()`. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Ends every open connection with a TCP reset. */
  resetConnections(): void;
  stop(): Promise<void>;
}

type Settings = Readonly<Record<Direction, ToxicSetting>>;

function join(client: Socket, targetPort: number, settings: Settings): Socket {
  const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
  for (const socket of [client, target]) {
    socket.setNoDelay(true);
    // An error is followed by `close`, which the pipe carries over.
    socket.on('error', () => undefined);
  }
  new ToxicPipe(client, target, settings.upstream);
  new ToxicPipe(target, client, settings.downstream);
  return target;
}

/**
 * Starts a TCP proxy before a loopback port, in the manner of Toxiproxy: its faults are changed
 * while it runs. Its own port stays the same over down and up.
 */
export async function startFaultProxy(options: {
  readonly targetPort: number;
}): Promise<FaultProxy> {
  const settings: Settings = { upstream: new ToxicSetting(), downstream: new ToxicSetting() };
  const open = new Map<Socket, Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.set(client, join(client, options.targetPort, settings));
    client.once('close', () => open.delete(client));
  });
  const closeAll = (end: 'destroy' | 'resetAndDestroy') => {
    for (const [client, target] of open) {
      client[end]();
      target[end]();
    }
  };
  const port = await freeLoopbackPort();
  const up = async () => {
    if (server.listening) return;
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const down = async () => {
    if (!server.listening) return;
    server.close();
    closeAll('destroy');
    await once(server, 'close');
  };
  await up();
  return {
    port,
    get connections() {
      return open.size;
    },
    setToxics: (direction, toxics) => settings[direction].set(toxics),
    down,
    up,
    resetConnections: () => closeAll('resetAndDestroy'),
    stop: down,
    [Symbol.asyncDispose]: down,
  };
}
