/**
 * Carries calls between the buses of one hub: frames and control messages are handed over by
 * reference, in order.
 */
import type { AttemptedEvent, Frame, Identity, StreamEndpoint } from '@gateway/protocol';
import { InFlightMap } from '@gateway/runtime';
import type {
  CallHandler,
  CallOptions,
  Message,
  OutgoingCall,
  ServeOptions,
  Subscription,
} from '../bus.ts';
import { ACCEPT_TIMEOUT_MS } from '../bus.ts';
import { answerToLateFrame, type ControlMessage, callKey } from '../calls/call-messages.ts';
import { CallServer } from '../calls/call-server.ts';
import type { IncomingCallMachine } from '../calls/incoming-call.ts';
import { OutgoingCallMachine } from '../calls/outgoing-call.ts';
import { WindowPool } from '../calls/window-pool.ts';
import { activeCarrier, outsideOfTraces } from '../trace-context.ts';
import type { CallOffer, HubState, PeerCalls } from './hub-state.ts';
import { CallerPort, type CallParts, ServedCall } from './in-process-call-ports.ts';
import { subscription } from './in-process-requests.ts';

const NO_BYTES = new Uint8Array();

export class InProcessCalls implements PeerCalls, CallParts {
  readonly hub: HubState;
  readonly owner: object;
  readonly record: (event: AttemptedEvent) => Promise<void>;
  readonly outgoing = new InFlightMap<string, OutgoingCallMachine<unknown>>();
  readonly served = new InFlightMap<string, ServedCall>();
  readonly #identity: Identity;
  readonly #windows = new WindowPool();
  #isClosed = false;

  constructor(
    hub: HubState,
    owner: object,
    identity: Identity,
    record: (event: AttemptedEvent) => Promise<void>,
  ) {
    this.hub = hub;
    this.owner = owner;
    this.record = record;
    this.#identity = identity;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  call<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    { value, body = NO_BYTES }: Message<Request>,
    { requestId, attempt, deadlineAt }: CallOptions,
  ): OutgoingCall<Head> {
    const { clock, turns } = this.hub;
    const text = JSON.stringify(value);
    const windowBytes = this.#windows.open();
    const key = callKey(requestId, attempt);
    const port = new CallerPort(key, this);
    const call = new OutgoingCallMachine<Head>({
      head: endpoint.head,
      requestId,
      attempt,
      deadlineAt,
      windowBytes,
      windows: this.#windows,
      clock,
      port,
    });
    this.outgoing.set(key, call as OutgoingCallMachine<unknown>);
    const acceptBy = clock.now() + ACCEPT_TIMEOUT_MS;
    const caller = this.#identity.instance;
    const { subject } = endpoint;
    const opening = { requestId, attempt, deadlineAt, acceptBy, windowBytes, caller, handBacks: 0 };
    const offer = { subject, opening, text, body, carrier: activeCarrier() };
    if (!this.hub.calls.send(subject, this.owner, offer)) {
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
      clock: this.hub.clock,
      // Callers read the same one.
      isClockRight: () => true,
      opened: (call) => {
        const served = this.served.get(callKey(call.requestId, call.attempt));
        if (served) served.call = call as IncomingCallMachine<unknown, unknown>;
      },
      failed: (error) => this.hub.logger.error({ error }, 'a call failed'),
    });
    const leave = this.hub.calls.join(endpoint.subject, endpoint.queueGroup, {
      owner: this.owner,
      take: (offer) => outsideOfTraces(() => this.#arrive(server, offer)),
    });
    return subscription(leave, () => server.idle());
  }

  receive(requestId: string, frame: Frame): boolean {
    if (this.#isClosed) return false;
    const call = this.outgoing.get(callKey(requestId, frame.attempt));
    if (call) call.receive(frame);
    else {
      const answer = answerToLateFrame(frame, requestId);
      if (answer) this.sendControl(answer.worker, answer.message);
    }
    return true;
  }

  acknowledged(requestId: string, attempt: number, stored: boolean): void {
    this.outgoing.get(callKey(requestId, attempt))?.acknowledged(stored);
  }

  control(message: ControlMessage): void {
    this.served.get(callKey(message.requestId, message.attempt))?.call?.control(message);
  }

  peerGone(instance: string): void {
    for (const call of [...this.outgoing.values()]) {
      if (call.worker === instance) call.workerLost();
    }
    for (const { call, opening } of [...this.served.values()]) {
      if (opening.caller === instance) call?.callerGone();
    }
  }

  sendControl(worker: string, message: ControlMessage): void {
    if (this.#isClosed) return;
    this.hub.turns.push(() => this.hub.buses.get(worker)?.calls.control(message));
  }

  /** This bus is gone: as if the process had died, but for what still runs in it. */
  close(): void {
    this.#isClosed = true;
    for (const call of [...this.outgoing.values()]) call.busLost();
    for (const { call } of [...this.served.values()]) call?.busLost();
  }

  #arrive<Request, Head>(server: CallServer<Request, Head>, offer: CallOffer): void {
    const served = new ServedCall(offer, this);
    served.open();
    server.arrive(served);
    // A call that it has no room for, or that came too late, is served by nobody here.
    if (served.call === undefined) served.closed();
  }
}
