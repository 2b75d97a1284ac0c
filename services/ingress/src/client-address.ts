import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * Where the client is: as trusted proxies forward it, when what they forward is an address, else the
 * peer of the connection.
 */
export function clientAddress(request: FastifyRequest): string {
  const forwarded = plainAddress(request.ip ?? '');
  return isIP(forwarded) === 0 ? plainAddress(request.raw.socket.remoteAddress ?? '') : forwarded;
}

/** A socket that listens on IPv6 sees IPv4 addresses mapped into it (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
