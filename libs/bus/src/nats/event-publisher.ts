/**
 * What a durable publish is made of: a message id, which makes it repeatable, and JetStream's
 * acknowledgement or refusal.
 */
import {
  eventMessageId,
  exactOr,
  GatewayError,
  type GatewayEvent,
  headers as headerNames,
  subjects,
} from '@gateway/protocol';
import { type Msg, type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node';
import { z } from 'zod';
import { decodeJson } from '../calls/call-messages.ts';
import type { LogMessage } from '../log/log-record.ts';
import { activeCarrier } from '../trace-context.ts';
import type { RequestMux } from './request-mux.ts';

const publishAcknowledgement = exactOr(
  isStored,
  z.object({
    seq: z.number().optional(),
    error: z
      .object({ description: z.string().optional(), err_code: z.number().optional() })
      .optional(),
  }),
);

/** What nearly every acknowledgement says: a sequence, and no error. */
function isStored(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('seq' in value)) return false;
  return typeof value.seq === 'number' && !('error' in value);
}

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

const HEADERS_START = `NATS/1.0\r\n${headerNames.messageId}: `;

/** The one header of an event, which the client would make in several steps. */
class MessageIdHeader extends MsgHdrsImpl {
  readonly #id: string;

  constructor(id: string) {
    super();
    this.#id = id;
    this.headers.set(headerNames.messageId, [id]);
  }

  override encode(): Uint8Array {
    return Buffer.from(`${HEADERS_START}${this.#id}\r\n\r\n`, 'latin1');
  }
}

/** `id`: of ours, without a line end. */
export function messageIdHeader(id: string): MsgHdrs {
  return new MessageIdHeader(id);
}

/** What became of a publish that was not stored, as the audit sees it. */
export function notStored(cause: unknown): GatewayError {
  return new GatewayError('audit_unavailable', 'The request could not be recorded.', {
    detail: cause instanceof GatewayError ? `${cause.code}: ${cause.message}` : String(cause),
    cause,
  });
}

/** A publish that JetStream must store, as the audit sees it: stored, or `audit_unavailable`. */
export async function publishDurably(
  mux: RequestMux,
  message: { subject: string; payload: Uint8Array; headers: MsgHdrs; timeoutMs: number },
): Promise<void> {
  try {
    storedSequence(await mux.request(message));
  } catch (error) {
    throw notStored(error);
  }
}

/** The event as it is stored, with the active trace context. */
export function eventMessage(event: GatewayEvent, json = JSON.stringify(event)): LogMessage {
  return {
    id: eventMessageId(event),
    subject: subjects.event(event.kind),
    headers: activeCarrier(),
    bytes: Buffer.from(json, 'utf8'),
  };
}
