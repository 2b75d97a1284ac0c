/**
 * How many connections are open, in all and for each client address. One more is told so and closed
 * before a byte of it is read, so that nobody can take the sockets of everybody else.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import { addressGroup } from './address-group.ts';
import { plainAddress } from './client-address.ts';
import { answerOnSocket } from './socket-error.ts';

const RETRY_AFTER_MS = 5_000;
/** Refused connections that may stay open to read their answer; more are cut without one. */
const TOLD_MAX = 256;
/** How long one of them may take to read it. */
const TOLD_MS = 1_000;

const meter = getMeter('ingress');
const refusals = meter.createCounter('gateway.ingress.refused_connections', {
  description: 'Connections over the bound of all or of one address',
});
const opened = meter.createUpDownCounter('gateway.ingress.open_connections', {
  description: 'Connections that clients have open',
});

export interface ConnectionBounds {
  readonly connectionsMax: number;
  /** Of one IPv4 address or one IPv6 /64. */
  readonly connectionsPerAddressMax: number;
  /** Whether the peer is a proxy that stands for many clients: only the bound of all holds for it. */
  readonly isProxy: (address: string) => boolean;
}

/** Takes the place of the listeners there are, which would begin to read at once. */
export function capConnections(server: Server, bounds: ConnectionBounds): void {
  const caps = new ConnectionCaps(bounds);
  const listeners = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    if (!caps.admits(socket)) return;
    for (const listener of listeners) listener.call(server, socket);
  });
}

class ConnectionCaps {
  readonly #bounds: ConnectionBounds;
  readonly #byAddress = new Map<string, number>();
  #open = 0;
  #told = 0;

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  /** Counts the connection until it closes, or refuses it. */
  admits(socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress ?? '');
    const group = this.#bounds.isProxy(address) ? undefined : addressGroup(address);
    const ofGroup = group === undefined ? 0 : (this.#byAddress.get(group) ?? 0);
    const { connectionsMax, connectionsPerAddressMax } = this.#bounds;
    if (this.#open >= connectionsMax) {
      this.#refuse(socket, 'all', 'Too many connections are open.');
      return false;
    }
    if (ofGroup >= connectionsPerAddressMax) {
      this.#refuse(socket, 'address', 'Too many connections are open from this address.');
      return false;
    }
    this.#count(socket, group, ofGroup);
    return true;
  }

  #count(socket: Socket, group: string | undefined, ofGroup: number): void {
    this.#open += 1;
    opened.add(1);
    if (group !== undefined) this.#byAddress.set(group, ofGroup + 1);
    socket.once('close', () => {
      this.#open -= 1;
      opened.add(-1);
      if (group === undefined) return;
      const left = (this.#byAddress.get(group) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(group, left);
      else this.#byAddress.delete(group);
    });
  }

  #refuse(socket: Socket, bound: 'all' | 'address', message: string): void {
    refusals.add(1, { bound });
    // Its errors are nobody's business any more.
    socket.on('error', () => {});
    if (this.#told >= TOLD_MAX) {
      socket.destroy();
      return;
    }
    this.#told += 1;
    const timer = setTimeout(() => socket.destroy(), TOLD_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#told -= 1;
    });
    // What the client says is dropped, or closing would reset the connection under the answer.
    socket.resume();
    answerOnSocket(
      new GatewayError('overloaded', message, { retryAfterMs: RETRY_AFTER_MS }),
      socket,
    );
  }
}
