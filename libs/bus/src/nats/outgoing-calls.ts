/**
 * The caller's side on NATS: one subscription for the replies of all calls, one for their bodies.
 */
import {
  decodeFrames,
  type Frame,
  GatewayError,
  type Identity,
  type ReplyLeg,
  type StreamEndpoint,
  subjects,
} from '@gateway/protocol';
import { InFlightMap } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import {
  ACCEPT_TIMEOUT_MS,
  type CallOptions,
  INLINE_BODY_BYTES_MAX,
  type Message,
  type OutgoingCall,
} from '../bus.ts';
import {
  answerToLateFrame,
  type CallOpening,
  type ControlMessage,
  callKey,
  encodeJson,
  eventOfLateFrame,
} from '../calls/call-messages.ts';
import type { Clock } from '../calls/clock.ts';
import { OutgoingCallMachine } from '../calls/outgoing-call.ts';
import { WindowPool } from '../calls/window-pool.ts';
import { activeCarrier, type Carrier } from '../trace-context.ts';
import { answerPiece, pullTimeMaxMs } from './body-pieces.ts';
import { type CallRequest, packCallRequest } from './call-request.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import { storedSequence } from './event-publisher.ts';
import type { EventRecorder } from './event-recorder.ts';
import { isNoResponders } from './message-format.ts';
import { encodePack, type PackedMessage } from './message-packs.ts';
import { OpenCall, type OpenCallsParts } from './open-call.ts';
import { PackAcknowledgements } from './pack-acknowledgements.ts';
import type { RequestMux } from './request-mux.ts';
import type { TurnEnd } from './turn-end.ts';
import { TurnPacks } from './turn-packs.ts';
import { WorkerLiveness } from './worker-liveness.ts';

export interface CallsSetup {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
  readonly recorder: Pick<EventRecorder, 'record'>;
  readonly turnEnd: TurnEnd;
}

const ACKNOWLEDGEMENT: ReplyLeg = 'acknowledgement';

/** A call on its way to whoever serves the subject. */
interface LeavingCall {
  readonly subject: string;
  readonly packed: PackedMessage;
  readonly open: OpenCall;
  readonly requestId: string;
  readonly attempt: number;
}

export class OutgoingCalls {
  readonly #setup: CallsSetup;
  readonly #windows = new WindowPool();
  readonly #calls = new InFlightMap<string, OpenCall>();
  readonly #acknowledgements = new PackAcknowledgements();
  readonly #parts: OpenCallsParts;
  readonly #leaving: TurnPacks<LeavingCall>;
  readonly #repliesPrefixLength: number;
  #subscribed = false;

  constructor(setup: CallsSetup) {
    this.#setup = setup;
    this.#repliesPrefixLength = subjects.replies(setup.identity.instance).length - 1;
    this.#parts = {
      recorder: setup.recorder,
      acknowledgements: this.#acknowledgements,
      liveness: new WorkerLiveness(setup.mux, setup.clock),
      sendControl: (worker, message) => this.#sendControl(worker, message),
      closed: ({ key }) => this.#calls.delete(key),
    };
    const isSameWay = (one: LeavingCall, other: LeavingCall) => one.subject === other.subject;
    this.#leaving = new TurnPacks(setup.turnEnd, isSameWay, (calls) => this.#send(calls));
    setup.keeper.listen({
      lost: () => {
        for (const { machine } of [...this.#calls.values()]) machine.busLost();
      },
    });
  }

  call<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    { value, body }: Message<Request>,
    { requestId, attempt, deadlineAt }: CallOptions,
  ): OutgoingCall<Head> {
    const { keeper, clock, identity } = this.#setup;
    this.#subscribeOnce(keeper.require());
    const key = callKey(requestId, attempt);
    if (this.#calls.has(key)) throw new Error(`call ${key} is open already`);
    const inline = body === undefined || body.length <= INLINE_BODY_BYTES_MAX;
    const acceptTimeoutMs = ACCEPT_TIMEOUT_MS + (inline ? 0 : pullTimeMaxMs(body.length));
    const windowBytes = this.#windows.open();
    const caller = identity.instance;
    const opening: CallOpening = {
      requestId,
      attempt,
      deadlineAt,
      acceptBy: clock.now() + acceptTimeoutMs,
      windowBytes,
      caller,
      handBacks: 0,
    };
    const request = { opening, bodyBytes: body?.length ?? 0, trace: activeTrace(), value };
    const packed = this.#pack(request, inline ? body : undefined);
    const open = new OpenCall(key, inline ? undefined : body, this.#parts);
    const machine = new OutgoingCallMachine<Head>({
      head: endpoint.head,
      ...{ requestId, attempt, deadlineAt, acceptTimeoutMs, windowBytes },
      windows: this.#windows,
      clock,
      port: open,
    });
    open.machine = machine;
    this.#calls.set(key, open);
    this.#leaving.add({ subject: endpoint.subject, packed, open, requestId, attempt });
    return machine;
  }

  /** Calls of one turn for one subject. That nobody serves it is said to the first, for all. */
  #send(calls: readonly LeavingCall[]): void {
    const [first, ...others] = calls;
    if (first === undefined) return;
    const { subject, requestId: request, attempt, open } = first;
    open.companions = others.map((other) => other.open);
    const { keeper, identity, logger } = this.#setup;
    const payload = encodePack(
      calls.map(({ packed }) => packed),
      0,
    );
    const address = { ingress: identity.instance, request, attempt, leg: 'frames' } as const;
    try {
      keeper.require().publish(subject, payload, { reply: subjects.reply(address) });
    } catch (error) {
      logger?.warn({ error }, 'calls not sent');
      for (const call of calls) call.open.machine.busLost();
    }
  }

  #pack(request: CallRequest, body: Uint8Array | undefined): PackedMessage {
    try {
      return packCallRequest(request, body);
    } catch (error) {
      this.#windows.close(request.opening.windowBytes);
      throw error;
    }
  }

  #sendControl(worker: string, message: ControlMessage): void {
    try {
      this.#setup.keeper.require().publish(subjects.control(worker), encodeJson(message));
    } catch {
      // In an outage the worker finds out by itself.
    }
  }

  #subscribeOnce(connection: NatsConnection): void {
    if (this.#subscribed) return;
    this.#subscribed = true;
    const { instance } = this.#setup.identity;
    // The server takes a connection's commands in order, so both precede the first request.
    connection.subscribe(subjects.replies(instance), {
      callback: (error, message) => {
        if (error === null) this.#received(message);
        else this.#setup.logger?.error({ error }, 'replies cannot be received');
      },
    });
    connection.subscribe(subjects.body(instance), {
      callback: (error, message) => {
        if (error === null) this.#bodyWanted(message);
      },
    });
  }

  #received(message: Msg): void {
    // `<request>.<attempt>.<leg>`, of which the first two are the key of a call, or of a publish.
    const { subject } = message;
    const legAt = subject.lastIndexOf('.');
    const key = subject.slice(this.#repliesPrefixLength, legAt);
    if (subject.slice(legAt + 1) === ACKNOWLEDGEMENT) {
      this.#acknowledgements.heard(key, isStored(message));
      return;
    }
    if (isNoResponders(message)) {
      this.#calls.get(key)?.noResponders();
      return;
    }
    for (const { key: called, frames } of decodeFrames(message.data)) {
      for (const frame of frames) this.#receivedFrame(called, frame);
    }
  }

  #receivedFrame(key: string, frame: Frame): void {
    // Closed by a frame before it, a call is late for the next.
    const call = this.#calls.get(key);
    if (call === undefined) this.#receivedLate(frame, key.slice(0, key.lastIndexOf('.')));
    // Data is kept, and must not keep the whole read buffer of the socket.
    else if (frame.type !== 'data') call.machine.receive(frame);
    else call.machine.receive({ ...frame, payload: Buffer.from(frame.payload) });
  }

  /** JetStream's refusal of the worker's publish may come as late, so what was spent is recorded here. */
  #receivedLate(frame: Frame, requestId: string): void {
    const { logger, recorder } = this.#setup;
    try {
      const late = answerToLateFrame(frame, requestId);
      if (late !== undefined) this.#sendControl(late.worker, late.message);
      const event = eventOfLateFrame(frame, requestId);
      if (event === undefined) return;
      recorder.record(event).catch((error: unknown) => {
        logger?.error({ error, request_id: requestId }, 'a late event is lost');
      });
    } catch (error) {
      logger?.warn({ error }, 'unreadable frame of a closed call');
    }
  }

  #bodyWanted(message: Msg): void {
    try {
      answerPiece(message, (requestId, attempt) => {
        return this.#calls.get(callKey(requestId, attempt))?.body;
      });
    } catch (error) {
      const reason = error instanceof GatewayError ? error.code : error;
      this.#setup.logger?.warn({ error: reason }, 'unreadable request for a body');
    }
  }
}

function activeTrace(): Carrier | undefined {
  const carrier = activeCarrier();
  for (const _ in carrier) return carrier;
  return undefined;
}

function isStored(message: Msg): boolean {
  try {
    storedSequence(message);
    return true;
  } catch {
    return false;
  }
}
