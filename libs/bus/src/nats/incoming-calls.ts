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
  type Message,
  PING_INTERVAL_MS,
  type ServeOptions,
  type Subscription,
} from '../bus.ts';
import { encodeFrame } from '../calls/call-frames.ts';
import { callKey, controlMessage, decodeJson, encodeFailure } from '../calls/call-messages.ts';
import { type Arrival, allFull, CallServer } from '../calls/call-server.ts';
import type { IncomingCallMachine, IncomingCallPort } from '../calls/incoming-call.ts';
import { NO_CARRIER } from '../trace-context.ts';
import { pullBody } from './body-pieces.ts';
import {
  checkCallRequest,
  decodeCallRequests,
  packCallRequest,
  type ReceivedCallRequest,
} from './call-request.ts';
import { CallerPacks } from './caller-packs.ts';
import { drainable } from './drainable.ts';
import { type FrameAddress, FrameOutboxes } from './frame-outbox.ts';
import { HandedOverEvents } from './handed-over-events.ts';
import { isNoResponders } from './message-format.ts';
import { encodePack } from './message-packs.ts';
import type { CallsSetup } from './outgoing-calls.ts';

/** Where the frames of a call go, and where it hears that nobody takes them. */
interface CallAddress extends FrameAddress {
  readonly requestId: string;
  readonly attempt: number;
}

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
  readonly #outboxes: FrameOutboxes<CallAddress>;
  #subscribed: Promise<void> | undefined;
  #probing = false;

  constructor(setup: CallsSetup, isClockRight: () => boolean) {
    this.#setup = setup;
    this.#isClockRight = isClockRight;
    this.#handedOver = new HandedOverEvents(setup.clock);
    const { keeper, turnEnd, identity } = setup;
    this.#packs = new CallerPacks({ keeper, turnEnd, worker: identity.instance });
    this.#outboxes = new FrameOutboxes(turnEnd, ({ caller, payload, asking }) => {
      const reply = asking && { reply: this.#hop(asking) };
      keeper.connection?.publish(this.#framesSubject(caller), payload, reply);
    });
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
    const { keeper } = this.#setup;
    const probed = new Set<string>();
    for (const { machine, caller } of this.#calls.values()) {
      if (probed.has(caller)) continue;
      probed.add(caller);
      const { requestId, attempt } = machine;
      const call = { caller, requestId, attempt };
      keeper.connection?.publish(this.#framesSubject(caller), undefined, {
        reply: this.#hop(call),
      });
    }
  }

  #arrived(server: Pick<CallServer<never, never>, 'arrive'>, message: Msg): void {
    try {
      for (const one of decodeCallRequests(message.data)) this.#arrivedOne(server, message, one);
    } catch (error) {
      this.#setup.logger?.error({ error }, 'unreadable calls');
    }
  }

  #arrivedOne(
    server: Pick<CallServer<never, never>, 'arrive'>,
    message: Msg,
    one: Message<unknown>,
  ): void {
    try {
      const received = checkCallRequest(one);
      const { opening, value, trace = NO_CARRIER } = received.request;
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
    const { mux, recorder } = this.#setup;
    const { requestId, attempt, caller } = opening;
    const key = callKey(requestId, attempt);
    const outbox = this.#outboxes.open({ caller, key, requestId, attempt });
    return {
      sendFrame: (frame) => outbox.send(encodeFrame(frame)),
      extendData: (bytes) => outbox.extendData(bytes),
      publishForCaller: (event, json, sequence) => {
        const pack = this.#packs.add(caller, event, json);
        this.#handedOver.add({ event, caller, sequence: sequence + 1 });
        return pack;
      },
      record: (event) => recorder.record(event),
      body: async (signal) => {
        if (bodyBytes === 0) return new Uint8Array(0);
        if (body !== undefined) return body;
        return pullBody(mux, { caller, requestId, attempt, bodyBytes }, signal());
      },
      closed: () => this.#calls.delete(key),
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
      this.#sendError({ caller, requestId, attempt }, sequence, payload);
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

  #hop({ caller, requestId, attempt }: Omit<CallAddress, 'key'>): string {
    return subjects.hop(this.#setup.identity.instance, caller, requestId, attempt);
  }

  /** The same for all calls of a caller: nats-server routes a subject that it has seen in half the time. */
  #framesSubject(caller: string): string {
    const { instance } = this.#setup.identity;
    return subjects.reply({ ingress: caller, request: instance, attempt: 0, leg: 'frames' });
  }

  /** Of a call that has no outbox. */
  #sendError(address: Omit<CallAddress, 'key'>, sequence: number, payload: Uint8Array): void {
    const { caller, requestId, attempt } = address;
    const frames: Frame[] = [{ type: 'error', attempt, sequence, payload }];
    const message = encodeFrames([{ key: callKey(requestId, attempt), frames }]);
    this.#setup.keeper.connection?.publish(this.#framesSubject(caller), message);
  }

  /** Without an echo it reaches another member of the group, or comes back as no responders. */
  #handBack(subject: string, { request, body }: ReceivedCallRequest): void {
    const opening = { ...request.opening, handBacks: request.opening.handBacks + 1 };
    const payload = encodePack([packCallRequest({ ...request, opening }, body)], 0);
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
    const call = { caller: ingress, requestId: request, attempt };
    this.#sendError(call, 0, encodeFailure(allFull()));
  }
}
