/**
 * Who is on the bus. The queue group of a service is its name; an instance is one incarnation of one
 * process, so a restarted process is another instance and nothing sent to the old one reaches it.
 */
import { randomBytes, randomUUIDv7 } from 'node:crypto';

export const SERVICES = [
  'ingress',
  'rate-limiter',
  'cache',
  'provider-worker',
  'audit-writer',
] as const;

export type ServiceName = (typeof SERVICES)[number];

export interface Identity {
  readonly service: ServiceName;
  /** 10 characters of `[a-z2-7]`, new for each start. */
  readonly instance: string;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export function newInstanceId(): string {
  return Array.from(randomBytes(10), (byte) => BASE32[byte & 31]).join('');
}

/** A new request id: UUID version 7 (RFC 9562), so ids sort by the time of the request. */
export function newRequestId(): string {
  return randomUUIDv7();
}

/** The time inside a UUIDv7, in milliseconds since 1970. */
export function requestIdTime(requestId: string): number {
  return Number.parseInt(requestId.replaceAll('-', '').slice(0, 12), 16);
}
