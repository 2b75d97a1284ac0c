import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Where the client is: as trusted proxies forward it, when what they forward is an address, else the
 * peer of the connection. Each proxy adds the address that it was asked from at the end of
 * `x-forwarded-for`, and is believed while the one that named it is.
 */
export function clientAddress(
  { headers, socket }: IncomingMessage,
  isProxy: (address: string) => boolean,
): string {
  const peer = plainAddress(socket.remoteAddress ?? '');
  const forwarded = headers['x-forwarded-for'];
  if (forwarded === undefined) return peer;
  const named = [forwarded].flat().join(',').split(',');
  const addresses = named.map((address) => address.trim()).filter((address) => address !== '');
  let client = peer;
  while (addresses.length > 0 && isProxy(client)) client = addresses.pop() ?? '';
  const plain = plainAddress(client);
  return isIP(plain) === 0 ? peer : plain;
}

/** A socket that listens on IPv6 sees IPv4 addresses mapped into it (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
