import { isIP } from 'node:net';

const GROUPED_WORDS = 4;
const WORDS = 8;

/**
 * What counts as one client where clients are counted by address: an IPv4 address whole, an IPv6
 * address by its /64, since that is what one subscriber is given (RFC 6177).
 */
export function addressGroup(address: string): string {
  if (isIP(address) !== 6) return address;
  const [bare = ''] = address.split('%', 1);
  // An IPv4 address at the end stands for the last two words, which are not looked at.
  const [front = '', back] = bare.replace(/[\d.]+\.\d+$/, '0:0').split('::', 2);
  const words = front === '' ? [] : front.split(':');
  const missing = back === undefined ? 0 : WORDS - words.length - back.split(':').length;
  const grouped = [...words, ...Array(Math.max(0, missing)).fill('0'), ...(back ?? '').split(':')];
  const prefix = grouped.slice(0, GROUPED_WORDS).map((word) => Number.parseInt(word || '0', 16));
  return `${prefix.map((word) => word.toString(16)).join(':')}::/64`;
}
