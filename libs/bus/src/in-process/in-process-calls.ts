/**
 * Carries calls between the buses of one hub: requests, frames and control messages are handed over by
 * reference, in order.
 */
import type { Identity, StreamEndpoint } from '@gateway/protocol';
import { InFlight } from '@gateway/runtime';
import type {
  CallHandler,
  CallOptions,
  Message,
  OutgoingCall,
  ServeOptions,
  Subscription,
} from '../bus.ts';
import { ACCEPT_TIMEOUT_MS } from '../bus.ts';
import { CallServer } from '../calls/call-server.ts';
import type { IncomingCallMachine } from '../calls/incoming-call.ts';
import { OutgoingCallMachine } from '../calls/outgoing-call.ts';
import { WindowPool } from '../calls/window-pool.ts';
import { activeCarrier, outsideOfTraces } from '../trace-context.ts';
import { AS_HANDED_OVER } from './handed-over.ts';
import type { HubState } from './hub-state.ts';
import { CallerPort, type CallParts, ServedCall } from './in-process-call-ports.ts';
import { subscription } from './in-process-requests.ts';

const NO_BYTES = new Uint8Array();

export class InProcessCalls implements CallParts {
  readonly hub: HubState;
  readonly owner: object;
  readonly record: CallParts['record'];
  readonly outgoing = new InFlight<CallerPort>();
  readonly served = new InFlight<ServedCall>();
  readonly #identity: Identity;
  readonly #windows = new WindowPool();
  #isClosed = false;

  constructor(hub: HubState, owner: object, identity: Identity, record: CallParts['record']) {
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
    const { clock, turns, inspect } = this.hub;
    inspect(value);
    const acceptBy = clock.now() + ACCEPT_TIMEOUT_MS;
    const windowBytes = this.#windows.open();
    const port = new CallerPort(requestId, this);
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
    port.open(call as OutgoingCallMachine<unknown>);
    const caller = this.#identity.instance;
    const { subject } = endpoint;
    const opening = { requestId, attempt, deadlineAt, acceptBy, windowBytes, caller, handBacks: 0 };
    const carrier = activeCarrier();
    const offer = { subject, opening, value, body, carrier, caller: port };
    if (!this.hub.calls.send(subject, this.owner, offer)) {
      turns.push({ inTurn: () => call.noResponders() });
    }
    return call;
  }

  serve<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    handler: CallHandler<Request, Head>,
    options: ServeOptions,
  ): Subscription {
    const server = new CallServer<Request, Head>({
      endpoint: { ...endpoint, request: AS_HANDED_OVER },
      handler,
      options,
      worker: this.#identity.instance,
      clock: this.hub.clock,
      // Callers read the same one.
      isClockRight: () => true,
      opened: (call, _, port) => {
        if (port instanceof ServedCall) port.open(call as IncomingCallMachine<unknown, unknown>);
      },
      failed: (error) => this.hub.logger.error({ error }, 'a call failed'),
    });
    const leave = this.hub.calls.join(endpoint.subject, endpoint.queueGroup, {
      owner: this.owner,
      take: (offer) => outsideOfTraces(() => server.arrive(new ServedCall(offer, this))),
    });
    return subscription(leave, () => server.idle());
  }

  peerGone(instance: string): void {
    for (const { machine } of this.outgoing) {
      if (machine?.worker === instance) machine.workerLost();
    }
    for (const { machine, opening } of this.served) {
      if (opening.caller === instance) machine?.callerGone();
    }
  }

  /** This bus is gone: as if the process had died, but for what still runs in it. */
  close(): void {
    this.#isClosed = true;
    for (const { machine } of this.outgoing) machine?.busLost();
    for (const { machine } of this.served) machine?.busLost();
  }
}
