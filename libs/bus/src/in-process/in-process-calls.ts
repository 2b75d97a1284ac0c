/**
 * Carries calls between the buses of one hub: frames and control messages are handed over by
 * reference, in order.
 */
import type { AttemptedEvent, Frame, Identity, StreamEndpoint } from '@gateway/protocol';
import { InFlightMap } from '@gateway/runtime';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type {
  CallHandler,
  CallOptions,
  Message,
  OutgoingCall,
  ServeOptions,
  Subscription,
} from '../bus.ts';
import { ACCEPT_TIMEOUT_MS } from '../bus.ts';
import {
  answerToLateFrame,
  type ControlMessage,
  callKey,
  encodeFailure,
} from '../calls/call-messages.ts';
import { allFull, CallServer } from '../calls/call-server.ts';
import { FrameBatch } from '../calls/frame-batch.ts';
import type { IncomingCallMachine, IncomingCallPort } from '../calls/incoming-call.ts';
import { OutgoingCallMachine } from '../calls/outgoing-call.ts';
import { WindowPool } from '../calls/window-pool.ts';
import { activeCarrier } from '../trace-context.ts';
import type { CallOffer, HubState, PeerCalls } from './hub-state.ts';
import { subscription } from './in-process-requests.ts';

interface ServedCall {
  readonly caller: string;
  call: IncomingCallMachine<unknown, unknown> | undefined;
}

const NO_BYTES = new Uint8Array();

export class InProcessCalls implements PeerCalls {
  readonly #hub: HubState;
  readonly #owner: object;
  readonly #identity: Identity;
  readonly #record: (event: AttemptedEvent) => Promise<void>;
  readonly #windows = new WindowPool();
  readonly #outgoing = new InFlightMap<string, OutgoingCallMachine<unknown>>();
  readonly #served = new InFlightMap<string, ServedCall>();
  #closed = false;

  constructor(
    hub: HubState,
    owner: object,
    identity: Identity,
    record: (event: AttemptedEvent) => Promise<void>,
  ) {
    this.#hub = hub;
    this.#owner = owner;
    this.#identity = identity;
    this.#record = record;
  }

  call<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    { value, body = NO_BYTES }: Message<Request>,
    { requestId, attempt, deadlineAt }: CallOptions,
  ): OutgoingCall<Head> {
    const { clock, turns } = this.#hub;
    const text = JSON.stringify(value);
    const windowBytes = this.#windows.open();
    const key = callKey(requestId, attempt);
    const call = new OutgoingCallMachine<Head>({
      head: endpoint.head,
      requestId,
      attempt,
      deadlineAt,
      windowBytes,
      windows: this.#windows,
      clock,
      port: {
        sendControl: (worker, message) => this.#sendControl(worker, message),
        record: this.#record,
        // What is published for a caller is acknowledged to its call.
        awaitPack: () => undefined,
        accepted: (worker) => {
          // It may have died since it sent the frame.
          if (!this.#hub.buses.has(worker)) turns.push(() => call.workerLost());
        },
        closed: () => this.#outgoing.delete(key),
      },
    });
    this.#outgoing.set(key, call as OutgoingCallMachine<unknown>);
    const acceptBy = clock.now() + ACCEPT_TIMEOUT_MS;
    const caller = this.#identity.instance;
    const { subject } = endpoint;
    const opening = { requestId, attempt, deadlineAt, acceptBy, windowBytes, caller, handBacks: 0 };
    const offer = { subject, opening, text, body, carrier: activeCarrier() };
    if (!this.#hub.calls.send(subject, this.#owner, offer)) {
      turns.push(() => call.noResponders());
    }
    return call;
  }

  serve<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    handler: CallHandler<Request, Head>,
    options: ServeOptions,
  ): Subscription {
    const server = new CallServer<Request, Head>({
      endpoint,
      handler,
      options,
      worker: this.#identity.instance,
      clock: this.#hub.clock,
      // Callers read the same one.
      isClockRight: () => true,
      opened: (call) => {
        const served = this.#served.get(callKey(call.requestId, call.attempt));
        if (served) served.call = call as IncomingCallMachine<unknown, unknown>;
      },
      failed: (error) => this.#hub.logger.error({ error }, 'a call failed'),
    });
    const leave = this.#hub.calls.join(endpoint.subject, endpoint.queueGroup, {
      owner: this.#owner,
      take: (offer) => context.with(ROOT_CONTEXT, () => this.#arrive(server, offer)),
    });
    return subscription(leave, () => server.idle());
  }

  receive(requestId: string, frame: Frame): boolean {
    if (this.#closed) return false;
    const call = this.#outgoing.get(callKey(requestId, frame.attempt));
    if (call) call.receive(frame);
    else {
      const answer = answerToLateFrame(frame, requestId);
      if (answer) this.#sendControl(answer.worker, answer.message);
    }
    return true;
  }

  acknowledged(requestId: string, attempt: number, stored: boolean): void {
    this.#outgoing.get(callKey(requestId, attempt))?.acknowledged(stored);
  }

  control(message: ControlMessage): void {
    this.#served.get(callKey(message.requestId, message.attempt))?.call?.control(message);
  }

  peerGone(instance: string): void {
    for (const call of [...this.#outgoing.values()]) {
      if (call.worker === instance) call.workerLost();
    }
    for (const { call, caller } of [...this.#served.values()]) {
      if (caller === instance) call?.callerGone();
    }
  }

  /** This bus is gone: as if the process had died, but for what still runs in it. */
  close(): void {
    this.#closed = true;
    for (const call of [...this.#outgoing.values()]) call.busLost();
    for (const { call } of [...this.#served.values()]) call?.busLost();
  }

  #sendControl(worker: string, message: ControlMessage): void {
    if (this.#closed) return;
    this.#hub.turns.push(() => this.#hub.buses.get(worker)?.calls.control(message));
  }
  #arrive<Request, Head>(server: CallServer<Request, Head>, offer: CallOffer): void {
    const { opening, text, carrier } = offer;
    const { requestId, attempt, caller } = opening;
    const key = callKey(requestId, attempt);
    const served: ServedCall = { caller, call: undefined };
    this.#served.set(key, served);
    const port = this.#port(offer, key, served);
    server.arrive({
      opening,
      value: JSON.parse(text),
      carrier,
      port,
      handBack: () => {
        const handedBack = { ...opening, handBacks: opening.handBacks + 1 };
        const next = { ...offer, opening: handedBack };
        if (this.#hub.calls.send(offer.subject, this.#owner, next)) return;
        port.sendFrame({ type: 'error', attempt, sequence: 0, payload: encodeFailure(allFull()) });
      },
    });
    // A call that it has no room for, or that came too late, is served by nobody here.
    if (served.call === undefined) this.#served.delete(key);
  }

  #port({ opening, body }: CallOffer, key: string, served: ServedCall): IncomingCallPort {
    const { requestId, attempt, caller } = opening;
    const { buses, turns } = this.#hub;
    const batch = new FrameBatch();
    const deliver = () => {
      const calls = buses.get(caller)?.calls;
      for (const frame of batch.take()) {
        if (!calls?.receive(requestId, frame)) served.call?.callerGone();
      }
    };
    return {
      sendFrame: (frame) => {
        if (this.#closed) return;
        if (batch.isEmpty) turns.push(deliver);
        batch.add(frame);
      },
      extendData: (bytes) => batch.extend(bytes),
      publishForCaller: (event) => {
        const acknowledge = (stored: boolean) =>
          buses.get(caller)?.calls.acknowledged(requestId, attempt, stored);
        this.#record(event).then(
          () => acknowledge(true),
          () => acknowledge(false),
        );
        return undefined;
      },
      record: this.#record,
      body: async () => body,
      closed: () => this.#served.delete(key),
    };
  }
}
