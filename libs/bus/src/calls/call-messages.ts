/**
 * What caller and worker say to each other besides data: the opening, frame payloads and control.
 */
import {
  type AttemptedEvent,
  attemptedEvent,
  type Check,
  errorFromWire,
  errorToWire,
  exactOr,
  type Frame,
  fieldsOf,
  GatewayError,
  hasFields,
  isAttemptedEvent,
  isText,
  isTextOrAbsent,
  isWhole,
  present,
  wireError,
} from '@gateway/protocol';
import { z } from 'zod';

/** What a request of a call carries besides its value and body. */
export interface CallOpening {
  readonly requestId: string;
  readonly attempt: number;
  readonly deadlineAt: number;
  /**
   * Milliseconds since 1970. From then on taking the call is refused, since the caller has given up on
   * it: its own timer is started later than this was said.
   */
  readonly acceptBy: number;
  /** Bytes of data that may be sent before the first credit. */
  readonly windowBytes: number;
  /** Instance of the caller. */
  readonly caller: string;
  /** How often a full server has handed it back to the group. */
  readonly handBacks: number;
}

/** Identifies a call among all calls of a caller, or of a worker. */
export function callKey(requestId: string, attempt: number): string {
  return `${requestId}.${attempt}`;
}

const callAddress = { requestId: z.string(), attempt: z.number().int() };

const controlSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('cancel'),
    ...callAddress,
    reason: wireError,
    /** Nobody waits for the terminal frame, so the worker sees to the event's durability itself. */
    abandoned: z.boolean(),
  }),
  z.object({ type: z.literal('credit'), ...callAddress, bytes: z.number().int().positive() }),
]);

/** From the caller to the worker that accepted. */
export type ControlMessage = z.infer<typeof controlSchema>;

export const controlMessage = exactOr<ControlMessage>(isCredit, controlSchema);

/** The one that comes often. */
function isCredit(value: unknown): boolean {
  const { type, requestId, attempt, bytes } = fieldsOf(value);
  return (
    type === 'credit' &&
    isText(requestId) &&
    isWhole(attempt, 1) &&
    isWhole(bytes, 1) &&
    hasFields(value, 4)
  );
}

const accepted = exactOr(
  (value) => isText(fieldsOf(value).worker) && hasFields(value, 1),
  z.object({ worker: z.string() }),
);

export interface End {
  readonly event: AttemptedEvent;
  /** Under which the caller hears whether the event is stored, where it came with others. */
  readonly pack?: string | undefined;
  /** The event as it was published, where whoever makes the frame has it. */
  readonly json?: string;
}

export interface Failure {
  readonly error: GatewayError;
  /** What was spent, where the provider was called. */
  readonly event?: AttemptedEvent | undefined;
  readonly pack?: string | undefined;
}

const end = exactOr<End>(
  (value) => {
    const { event, pack } = fieldsOf(value);
    return isAttemptedEvent(event) && isTextOrAbsent(pack) && hasFields(value, 1 + present(pack));
  },
  z.object({ event: attemptedEvent, pack: z.string().optional() }),
);

const failure = z.object({
  error: wireError,
  event: attemptedEvent.optional(),
  pack: z.string().optional(),
});

const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/** Throws what the parser or the schema throws. */
export function decodeJson<Value>(schema: Check<Value>, bytes: Uint8Array): Value {
  return schema.parse(JSON.parse(decoder.decode(bytes)));
}

export function encodeAccepted(worker: string): Uint8Array {
  return encodeJson({ worker });
}

export function decodeAccepted(frame: Frame): string {
  return decodeJson(accepted, frame.payload).worker;
}

/** `json`: of the event, which is published too. */
export function encodeEnd(
  event: AttemptedEvent,
  pack?: string,
  json = JSON.stringify(event),
): Uint8Array {
  const packField = pack === undefined ? '' : `,"pack":${JSON.stringify(pack)}`;
  return Buffer.from(`{"event":${json}${packField}}`, 'utf8');
}

export function decodeEnd(frame: Frame): End {
  return decodeJson(end, frame.payload);
}

export function encodeFailure(
  error: GatewayError,
  event?: AttemptedEvent,
  pack?: string,
): Uint8Array {
  return encodeJson({ error: errorToWire(error), event, pack });
}

export function decodeFailure(frame: Frame): Failure {
  const { error, event, pack } = decodeJson(failure, frame.payload);
  return { error: errorFromWire(error), ...(event !== undefined && { event, pack }) };
}

/**
 * A worker's `accepted` for a call that is no longer open here: whom to tell that nobody waits, and
 * what. Undefined for any other frame.
 */
export function answerToLateFrame(
  frame: Frame,
  requestId: string,
): { worker: string; message: ControlMessage } | undefined {
  if (frame.type !== 'accepted') return undefined;
  return { worker: decodeAccepted(frame), message: tooLate(requestId, frame.attempt) };
}

/** To a worker that accepted a call which is no longer open. */
export function tooLate(requestId: string, attempt: number): ControlMessage {
  const reason = new GatewayError('deadline_exceeded', 'The call was accepted too late.');
  return { type: 'cancel', requestId, attempt, reason: errorToWire(reason), abandoned: true };
}

/** What a worker spent on a call that is no longer open here, if the frame says it. */
export function eventOfLateFrame(frame: Frame, requestId: string): AttemptedEvent | undefined {
  const event =
    frame.type === 'end'
      ? decodeEnd(frame).event
      : frame.type === 'error'
        ? decodeFailure(frame).event
        : undefined;
  return event?.requestId === requestId && event.attempt === frame.attempt ? event : undefined;
}
