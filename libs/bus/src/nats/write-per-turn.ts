/**
 * One write to the socket in each turn of the event loop. The client writes once in nearly every
 * microtask that publishes, and a write costs more than the messages in it: a third of an ingress' time
 * under load, less at a server that reads larger pieces (measured).
 */
import { type NatsConnection, NatsConnectionImpl } from '@nats-io/transport-node';
import type { TurnEnd } from './turn-end.ts';

/** For the transport of now; a reconnect makes another one. */
export function writePerTurn(connection: NatsConnection, turnEnd: TurnEnd): void {
  if (!(connection instanceof NatsConnectionImpl)) return;
  const { transport } = connection.protocol;
  const write = transport.send.bind(transport);
  let waiting: Uint8Array[] = [];
  const writeWaiting = () => {
    const bytes = waiting.length === 1 ? waiting[0] : Buffer.concat(waiting);
    waiting = [];
    if (bytes !== undefined) write(bytes);
  };
  transport.send = (bytes) => {
    waiting.push(bytes);
    if (waiting.length === 1) turnEnd.writeOnce(writeWaiting);
  };
}
