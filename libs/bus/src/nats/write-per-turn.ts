/**
 * One write to the socket in each turn of the event loop, and one copy of what is in it. The client
 * writes once in nearly every microtask that publishes, and a write costs more than the messages in it: a
 * third of an ingress' time under load, less at a server that reads larger pieces (measured).
 */
import { type NatsConnection, NatsConnectionImpl } from '@nats-io/transport-node';
import type { TurnEnd } from './turn-end.ts';

/** Reconnects included. What the client flushes is written at once, with all that waits. */
export function writePerTurn(connection: NatsConnection, turnEnd: TurnEnd): void {
  if (!(connection instanceof NatsConnectionImpl)) return;
  const { protocol } = connection;
  const { outbound } = protocol;
  const write = () => {
    if (protocol.connected && outbound.size() > 0) protocol.transport.send(outbound.drain());
  };
  protocol.sendCommand = (command, ...payloads) => {
    outbound.fill(typeof command === 'string' ? Buffer.from(command) : command, ...payloads);
    turnEnd.writeOnce(write);
  };
  outbound.pack = () => {
    if (outbound.buffers.length > 1) outbound.buffers = [Buffer.concat(outbound.buffers)];
  };
}
