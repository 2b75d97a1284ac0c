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
import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { z } from 'zod';
import { PUBLISH_TIMEOUT_MS, type PublishOptions } from '../bus.ts';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import type { LogMessage } from '../log/log-record.ts';
import { activeCarrier } from '../trace-context.ts';
import { headersWith } from './message-format.ts';
import type { RequestMux } from './request-mux.ts';

const publishAcknowledgement = z.object({
  seq: z.number().optional(),
  error: z
    .object({ description: z.string().optional(), err_code: z.number().optional() })
    .optional(),
});

/**
 * What JetStream says of a message and not of itself: too large, or its headers are.
 * @see https://github.com/nats-io/nats-server/blob/main/server/errors.json
 */
const MESSAGE_ERRORS: readonly number[] = [10_054, 10_097];

/** What JetStream says of a full account, memory, disk or stream, where a smaller message may fit. */
const FULL_ERRORS: readonly number[] = [10_002, 10_028, 10_047, 10_077];

/** JetStream answered, and did not store the message. */
class JetStreamError extends Error {
  override readonly name = 'JetStreamError';
  readonly errorCode: number | undefined;

  constructor(message: string, errorCode: number | undefined) {
    super(message);
    this.errorCode = errorCode;
  }
}

/** Whether a publish failed for what was published, so that it always will. */
export function isMessageRefused(error: unknown): boolean {
  return MESSAGE_ERRORS.includes(jetStreamErrorCode(error));
}

/** Whether a publish failed for want of room. */
export function isJetStreamFull(error: unknown): boolean {
  return FULL_ERRORS.includes(jetStreamErrorCode(error));
}

function jetStreamErrorCode(error: unknown): number {
  const cause = error instanceof GatewayError ? error.cause : undefined;
  return cause instanceof JetStreamError ? (cause.errorCode ?? 0) : 0;
}

/** The sequence under which a message was stored. Throws what JetStream says against it. */
export function storedSequence(reply: Msg): number {
  const { seq, error } = decodeJson(publishAcknowledgement, reply.data);
  if (error !== undefined) {
    const { description = 'JetStream refused the message', err_code: code } = error;
    throw new JetStreamError(description, code);
  }
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
  return publishMessage(mux, eventMessage(event), timeoutMs);
}

/** The event as it is stored, with the active trace context. */
export function eventMessage(event: GatewayEvent): LogMessage {
  return {
    id: eventMessageId(event),
    subject: subjects.event(event.kind),
    headers: activeCarrier(),
    bytes: encodeJson(event),
  };
}

/** Publishes an event as it was kept: under its own id and in the trace that it came from. */
export function publishMessage(
  mux: RequestMux,
  { id, subject, headers: carried, bytes: payload }: LogMessage,
  timeoutMs: number,
): Promise<void> {
  const stored = headers();
  for (const [name, value] of Object.entries(carried)) stored.set(name, value);
  stored.set(headerNames.messageId, id);
  return publishDurably(mux, { subject, payload, headers: stored, timeoutMs });
}
