import { GatewayError, toGatewayError } from '@gateway/protocol';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { Clock } from '../calls/clock.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import { errorInReply, isNoResponders } from './message-format.ts';
import { decodeReplies, encodeRequests } from './request-format.ts';
import type { Inbox, InboxOwner, RequestMux } from './request-mux.ts';
import type { AskedRequest, OverListener } from './waiting-request.ts';

export interface RequestPackSetup {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly clock: Clock;
}

/** Requests of one subject and one patience that are asked as one message, until all of them are over. */
export class RequestPack implements InboxOwner, OverListener {
  readonly #setup: RequestPackSetup;
  readonly #requests: readonly AskedRequest[];
  readonly #inbox: Inbox;
  #openCount: number;
  #callOffTimeout = (): void => undefined;

  constructor(setup: RequestPackSetup, requests: readonly AskedRequest[]) {
    this.#setup = setup;
    this.#requests = requests;
    this.#openCount = requests.length;
    this.#inbox = setup.mux.openFor(this);
  }

  /** `headers`: of the trace that all of them belong to. */
  send(headers?: MsgHdrs): void {
    const [first] = this.#requests;
    if (first === undefined) throw new RangeError('a pack without a request');
    const { subject, timeoutMs } = first;
    const { clock, keeper } = this.#setup;
    this.#callOffTimeout = clock.after(timeoutMs, () =>
      this.#fail(new GatewayError('deadline_exceeded', 'A service did not answer in time.')),
    );
    for (const request of this.#requests) request.whenOver(this);
    // Called off before they were sent, all of them.
    if (this.#openCount === 0) return;
    try {
      const packed = this.#requests.map((request) => request.packed);
      const bytes = encodeRequests(packed, clock.now() + timeoutMs, timeoutMs);
      const reply = this.#inbox.subject;
      keeper.require().publish(subject, bytes, headers ? { reply, headers } : { reply });
    } catch (error) {
      this.#fail(toGatewayError(error));
    }
  }

  received(message: Msg): void {
    if (isNoResponders(message)) {
      this.#fail(new GatewayError('no_responders', 'No service answers on the message bus.'));
      return;
    }
    try {
      const error = errorInReply(message);
      if (error !== undefined) throw error;
      for (const { place, reply, error } of decodeReplies(message.data)) {
        const request = this.#requests[place];
        if (error === undefined) request?.answer(reply);
        else request?.fail(error);
      }
    } catch (error) {
      this.#fail(toGatewayError(error));
    }
  }

  lost(): void {
    this.#fail(this.#setup.keeper.unavailable());
  }

  requestIsOver(): void {
    this.#openCount -= 1;
    if (this.#openCount > 0) return;
    this.#callOffTimeout();
    this.#inbox.close();
  }

  #fail(error: GatewayError): void {
    for (const request of this.#requests) request.fail(error);
  }
}
