/**
 * The worker's side on NATS: calls of queue groups, control messages, and news of vanished callers.
 */
import {
  encodeFrames,
  type Frame,
  GatewayError,
  parseHopSubject,
  type StreamEndpoint,
  subjects,
} from '@gateway/protocol';
import { InFlightMap } from '@gateway/runtime';
import type { Msg } from '@nats-io/transport-node';
import {
  type CallHandler,
  PING_INTERVAL_MS,
  type ServeOptions,
  type Subscription,
} from '../bus.ts';
import {
  type CallOpening,
  callKey,
  controlMessage,
  decodeJson,
  encodeFailure,
} from '../calls/call-messages.ts';
import { type Arrival, allFull, CallServer } from '../calls/call-server.ts';
import type { IncomingCallMachine, IncomingCallPort } from '../calls/incoming-call.ts';
import { pullBody } from './body-pieces.ts';
import { decodeCallRequest, encodeCallRequest, type ReceivedCallRequest } from './call-request.ts';
import { CallerPacks } from './caller-packs.ts';
import { drainable } from './drainable.ts';
import { FrameOutbox } from './frame-outbox.ts';
import { HandedOverEvents } from './handed-over-events.ts';
import { isNoResponders } from './message-format.ts';
import type { CallsSetup } from './outgoing-calls.ts';

/** Every so many data frames one asks whether somebody receives them. */
const HOP_EVERY_FRAMES = 16;

/** What a call hears of its transport, whatever its endpoint. */
interface OpenCall {
  readonly machine: Pick<
    IncomingCallMachine<unknown, unknown>,
    'control' | 'callerGone' | 'busLost' | 'requestId' | 'attempt' | 'sequence'
  >;
  readonly caller: string;
}

/** A call whose end may be lost with the connection, and the frame that would come next. */
interface BrokenCall {
  readonly caller: string;
  readonly requestId: string;
  readonly attempt: number;
  readonly sequence: number;
}

export class IncomingCalls {
  readonly #setup: CallsSetup;
  /** Told when there is a connection again; as many as ran, or had just ended, when it broke. */
  readonly #broken: BrokenCall[] = [];
  readonly #isClockRight: () => boolean;
  readonly #calls = new InFlightMap<string, OpenCall>();
  readonly #handedOver: HandedOverEvents;
  readonly #packs: CallerPacks;
  #subscribed: Promise<void> | undefined;
  #probing = false;

  constructor(setup: CallsSetup, isClockRight: () => boolean) {
    this.#setup = setup;
    this.#isClockRight = isClockRight;
    this.#handedOver = new HandedOverEvents(setup.clock);
    const { keeper, turnEnd, identity } = setup;
    this.#packs = new CallerPacks({ keeper, turnEnd, worker: identity.instance });
    setup.keeper.listen({
      restored: () => this.#tellBroken(),
      lost: () => {
        for (const { machine, caller } of [...this.#calls.values()]) {
          const { requestId, attempt, sequence } = machine;
          this.#broken.push({ caller, requestId, attempt, sequence });
          machine.busLost();
        }
        if (!setup.keeper.isClosing) this.#recordHandedOver();
      },
    });
  }

  async serve<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    handler: CallHandler<Request, Head>,
    options: ServeOptions,
  ): Promise<Subscription> {
    this.#subscribed ??= this.#subscribeOnce();
    await this.#subscribed;
    const { keeper, identity, clock, logger } = this.#setup;
    const server = new CallServer<Request, Head>({
      ...{ endpoint, handler, options, clock },
      worker: identity.instance,
      isClockRight: this.#isClockRight,
      opened: (machine, { caller }) => this.#opened({ machine, caller }),
      failed: (error) => {
        const expected = error instanceof GatewayError && error.code !== 'internal';
        const level = expected ? 'debug' : 'error';
        logger?.[level]({ error, endpoint: endpoint.template }, 'call failed');
      },
    });
    const subscription = await keeper.subscribe(endpoint.subject, {
      queue: endpoint.queueGroup,
      callback: (error, message) => {
        if (error === null) this.#arrived(server, message);
      },
    });
    return drainable(async () => {
      await keeper.unsubscribe(subscription);
      await server.idle();
      this.#setup.turnEnd.run();
    });
  }

  async #subscribeOnce(): Promise<void> {
    const { keeper, identity } = this.#setup;
    await keeper.subscribe(subjects.control(identity.instance), {
      callback: (error, message) => {
        if (error === null) this.#controlled(message);
      },
    });
    await keeper.subscribe(subjects.hops(identity.instance), {
      callback: (error, message) => {
        if (error === null && isNoResponders(message)) this.#foundNobody(message.subject);
      },
    });
  }

  #opened(call: OpenCall): void {
    if (!this.#probing) this.#scheduleProbe();
    this.#calls.set(callKey(call.machine.requestId, call.machine.attempt), call);
  }

  /** A call that waits, for its provider or for credit, sends no frame that could find nobody. */
  #scheduleProbe(): void {
    this.#probing = true;
    this.#setup.clock.after(PING_INTERVAL_MS, () => {
      this.#probing = false;
      if (this.#calls.size === 0) return;
      this.#probeCallers();
      this.#scheduleProbe();
    });
  }

  /** One empty message to each caller, which it ignores. */
  #probeCallers(): void {
    const { identity, keeper } = this.#setup;
    const probed = new Set<string>();
    for (const { machine, caller } of this.#calls.values()) {
      if (probed.has(caller)) continue;
      probed.add(caller);
      const { requestId: request, attempt } = machine;
      keeper.connection?.publish(
        subjects.reply({ ingress: caller, request, attempt, leg: 'frames' }),
        undefined,
        { reply: subjects.hop(identity.instance, caller, request, attempt) },
      );
    }
  }

  #arrived(server: Pick<CallServer<never, never>, 'arrive'>, message: Msg): void {
    try {
      const received = decodeCallRequest(message.data);
      const { opening, value, trace = {} } = received.request;
      server.arrive({
        opening,
        value,
        carrier: trace,
        port: this.#port(received),
        handBack: () => this.#handBack(message.subject, received),
      } satisfies Arrival);
    } catch (error) {
      this.#setup.logger?.error({ error }, 'unreadable call');
    }
  }

  #port({ request: { opening, bodyBytes }, body }: ReceivedCallRequest): IncomingCallPort {
    const { mux, recorder, turnEnd } = this.#setup;
    const { requestId: request, attempt, caller: ingress } = opening;
    const subject = subjects.reply({ ingress, request, attempt, leg: 'frames' });
    const hop = this.#hop(opening);
    const outbox = new FrameOutbox(turnEnd, (frames) => {
      this.#sendFrames(subject, frames, frames.some(asksForReceiver) ? hop : undefined);
    });
    return {
      sendFrame: (frame) => outbox.send(frame),
      extendData: (bytes) => outbox.extendData(bytes),
      publishForCaller: (event, json, sequence) => {
        const pack = this.#packs.add(ingress, event, json);
        this.#handedOver.add({ event, caller: ingress, sequence: sequence + 1 });
        return pack;
      },
      record: (event) => recorder.record(event),
      body: async (signal) => {
        if (bodyBytes === 0) return new Uint8Array(0);
        if (body !== undefined) return body;
        const address = { caller: ingress, requestId: request, attempt, bodyBytes };
        return pullBody(mux, address, signal());
      },
      closed: () => this.#calls.delete(callKey(request, attempt)),
    };
  }

  /**
   * A caller whose own connection held finds this worker alive, and would wait for a call that ended
   * with the connection, or under it. Where frames were lost the number tells, and ends the call too.
   */
  #tellBroken(): void {
    const lost = new GatewayError('worker_lost', 'The worker of this request was lost.');
    const payload = encodeFailure(lost);
    for (const { caller, requestId, attempt, sequence } of this.#broken.splice(0)) {
      const address = { ingress: caller, request: requestId, attempt, leg: 'frames' } as const;
      const frame = { type: 'error', attempt, sequence, payload } as const;
      this.#sendFrames(subjects.reply(address), [frame], undefined);
    }
  }

  #recordHandedOver(): void {
    const { recorder, logger } = this.#setup;
    for (const { event, caller, sequence } of this.#handedOver.takeAll()) {
      const { requestId, attempt } = event;
      this.#broken.push({ caller, requestId, attempt, sequence });
      recorder.record(event).catch((error: unknown) => {
        logger?.error({ error, request_id: event.requestId }, 'an attempt may not be recorded');
      });
    }
  }

  #hop({ caller, requestId, attempt }: CallOpening): string {
    return subjects.hop(this.#setup.identity.instance, caller, requestId, attempt);
  }

  #sendFrames(subject: string, frames: readonly Frame[], reply: string | undefined): void {
    const connection = this.#setup.keeper.connection;
    if (connection === undefined) return;
    connection.publish(subject, encodeFrames(frames), reply === undefined ? {} : { reply });
  }

  /** Without an echo it reaches another member of the group, or comes back as no responders. */
  #handBack(subject: string, { request, body }: ReceivedCallRequest): void {
    const opening = { ...request.opening, handBacks: request.opening.handBacks + 1 };
    const payload = encodeCallRequest({ ...request, opening }, body);
    this.#setup.keeper.connection?.publish(subject, payload, { reply: this.#hop(opening) });
  }

  #controlled(message: Msg): void {
    if (message.data.length === 0) {
      // A ping.
      message.respond();
      return;
    }
    try {
      const control = decodeJson(controlMessage, message.data);
      const call = this.#calls.get(callKey(control.requestId, control.attempt));
      call?.machine.control(control);
    } catch (error) {
      this.#setup.logger?.warn({ error }, 'unreadable control message');
    }
  }

  /** A frame whose caller is gone, or a call handed back to a group that has no other member. */
  #foundNobody(hopSubject: string): void {
    const address = parseHopSubject(hopSubject);
    if (address === undefined) return;
    const { ingress, request, attempt } = address;
    if (this.#calls.has(callKey(request, attempt))) {
      for (const { machine, caller } of [...this.#calls.values()]) {
        if (caller === ingress) machine.callerGone();
      }
      return;
    }
    // For a caller that is gone this reaches nobody either, and nobody answers.
    const subject = subjects.reply({ ingress, request, attempt, leg: 'frames' });
    const payload = encodeFailure(allFull());
    this.#sendFrames(subject, [{ type: 'error', attempt, sequence: 0, payload }], undefined);
  }
}

function asksForReceiver({ type, sequence }: Frame): boolean {
  return type !== 'data' || sequence % HOP_EVERY_FRAMES === 0;
}
