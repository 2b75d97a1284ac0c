/**
 * Durable publishes: JetStream's acknowledgement is awaited, and a message id makes them
 * repeatable.
 */
import {
  eventMessageId,
  GatewayError,
  type GatewayEvent,
  headers as headerNames,
  subjects,
} from '@gateway/protocol';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { z } from 'zod';
import { PUBLISH_TIMEOUT_MS, type PublishOptions } from '../bus.ts';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import { headersWith } from './message-format.ts';
import type { RequestMux } from './request-mux.ts';

const publishAcknowledgement = z.object({
  seq: z.number().optional(),
  error: z.object({ description: z.string().optional() }).optional(),
});

/** The sequence under which a message was stored. Throws what JetStream says against it. */
export function storedSequence(reply: Msg): number {
  const { seq, error } = decodeJson(publishAcknowledgement, reply.data);
  if (error !== undefined) throw new Error(error.description ?? 'JetStream refused the message');
  if (seq === undefined) throw new Error('not an acknowledgement of JetStream');
  return seq;
}

export function eventHeaders(event: GatewayEvent): MsgHdrs {
  return headersWith({ [headerNames.messageId]: eventMessageId(event) });
}

/** A publish that JetStream must store, as the audit sees it: stored, or `audit_unavailable`. */
export async function publishDurably(
  mux: RequestMux,
  message: { subject: string; payload: Uint8Array; headers: MsgHdrs; timeoutMs: number },
): Promise<void> {
  try {
    storedSequence(await mux.request(message));
  } catch (error) {
    throw new GatewayError('audit_unavailable', 'The request could not be recorded.', {
      detail: error instanceof GatewayError ? `${error.code}: ${error.message}` : String(error),
      cause: error,
    });
  }
}

export function publishEvent(
  mux: RequestMux,
  event: GatewayEvent,
  { timeoutMs = PUBLISH_TIMEOUT_MS }: PublishOptions = {},
): Promise<void> {
  return publishDurably(mux, {
    subject: subjects.event(event.kind),
    payload: encodeJson(event),
    headers: eventHeaders(event),
    timeoutMs,
  });
}
