import { headers as headerNames } from '@gateway/protocol';
import type { Msg } from '@nats-io/transport-node';
import type { Entry } from '../bus.ts';

/** The entry in a stored message, or undefined where it marks a deleted key. */
export function entryOf(message: Msg, revision: number): Entry | undefined {
  if (message.headers?.has(headerNames.bucketOperation)) return undefined;
  return { value: parsed(message.data), revision };
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
