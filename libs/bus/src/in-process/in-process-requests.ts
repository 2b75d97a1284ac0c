import {
  type Check,
  type Endpoint,
  errorFromWire,
  errorToWire,
  GatewayError,
  MESSAGE_BYTES_MAX,
  type OneWayEndpoint,
  toGatewayError,
} from '@gateway/protocol';
import { InFlight } from '@gateway/runtime';
import type {
  Message,
  RequestHandler,
  RequestOptions,
  RespondOptions,
  Subscription,
} from '../bus.ts';
import { WorkSlots } from '../calls/work-slots.ts';
import { activeCarrier, outsideOfTraces, runInConsumerSpan } from '../trace-context.ts';
import type { HubState, Parcel, RequestOffer } from './hub-state.ts';

function toParcel({ value, body }: Message<unknown>): Parcel {
  const text = JSON.stringify(value);
  const bytes = Buffer.byteLength(text) + (body?.length ?? 0);
  if (bytes > MESSAGE_BYTES_MAX) {
    throw new GatewayError('internal', 'The gateway failed to handle this request.', {
      detail: `a message of ${bytes} bytes is too large for the bus`,
    });
  }
  return { text, body };
}

function fromParcel<Value>(schema: Check<Value>, { text, body }: Parcel): Message<Value> {
  const value = schema.parse(JSON.parse(text));
  return body === undefined ? { value } : { value, body };
}

/** What waits for an answer. */
interface OpenRequest {
  fail(error: GatewayError): void;
}

/** A message that nobody waits for. */
class OneWayOffer implements RequestOffer {
  readonly parcel: Parcel;
  readonly carrier = activeCarrier();
  readonly isLate = false;

  constructor(parcel: Parcel) {
    this.parcel = parcel;
  }

  answer(): void {}

  refuse(): void {}
}

/** One object for all that may end a request. */
class WaitingRequest<Reply> implements RequestOffer {
  readonly parcel: Parcel;
  readonly carrier = activeCarrier();
  readonly promise: Promise<Message<Reply>>;
  readonly #hub: HubState;
  readonly #reply: Check<Reply>;
  readonly #open: InFlight<OpenRequest>;
  readonly #signal: AbortSignal | undefined;
  readonly #place: number;
  readonly #callOff: () => void;
  #resolve!: (message: Message<Reply>) => void;
  #reject!: (error: GatewayError) => void;
  #isOver = false;

  constructor(
    { hub, open, reply }: { hub: HubState; open: InFlight<OpenRequest>; reply: Check<Reply> },
    parcel: Parcel,
    { timeoutMs, signal }: RequestOptions,
  ) {
    this.parcel = parcel;
    this.#hub = hub;
    this.#reply = reply;
    this.#open = open;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#place = open.add(this);
    this.#callOff = hub.clock.after(timeoutMs, () => this.fail(tooLate()));
    signal?.addEventListener('abort', this);
  }

  get isLate(): boolean {
    return this.#isOver;
  }

  answer(reply: Parcel): void {
    this.#hub.turns.push(() => this.#answered(reply));
  }

  refuse(error: GatewayError): void {
    this.#hub.turns.push(() => this.fail(error));
  }

  fail(error: GatewayError): void {
    this.#settle();
    this.#reject(error);
  }

  /** The signal's. */
  handleEvent(): void {
    this.fail(abortReason(this.#signal));
  }

  #answered(reply: Parcel): void {
    if (this.#isOver) return;
    this.#settle();
    try {
      this.#resolve(fromParcel(this.#reply, reply));
    } catch (error) {
      this.#reject(toGatewayError(error));
    }
  }

  #settle(): void {
    this.#isOver = true;
    this.#callOff();
    this.#signal?.removeEventListener('abort', this);
    this.#open.delete(this.#place, this);
  }
}

/** Requests, answers and one-way messages of one bus. */
export class InProcessRequests {
  readonly #hub: HubState;
  readonly #owner: object;
  readonly #open = new InFlight<OpenRequest>();

  constructor(hub: HubState, owner: object) {
    this.#hub = hub;
    this.#owner = owner;
  }

  request<Request, Reply>(
    { subject, reply }: Endpoint<Request, Reply>,
    message: Message<Request>,
    options: RequestOptions,
  ): Promise<Message<Reply>> {
    if (options.signal?.aborted) return Promise.reject(abortReason(options.signal));
    let waiting: WaitingRequest<Reply>;
    try {
      const setup = { hub: this.#hub, open: this.#open, reply };
      waiting = new WaitingRequest(setup, toParcel(message), options);
    } catch (error) {
      return Promise.reject(toGatewayError(error));
    }
    if (!this.#hub.requests.send(subject, this.#owner, waiting)) {
      waiting.refuse(
        new GatewayError('no_responders', 'No service answers on the message bus.', {
          detail: `nobody serves ${subject}`,
        }),
      );
    }
    return waiting.promise;
  }

  respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Subscription {
    return this.#take(endpoint, options, async (offer) => {
      const reply = await handler(fromParcel(endpoint.request, offer.parcel));
      offer.answer(toParcel(reply));
    });
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    try {
      const offer = new OneWayOffer(toParcel(message));
      this.#hub.requests.send(endpoint.subject, this.#owner, offer);
    } catch (error) {
      const { template } = endpoint;
      this.#hub.logger.warn({ error, endpoint: template }, 'message not sent');
    }
  }

  receive<Value>(
    endpoint: OneWayEndpoint<Value>,
    handler: (message: Message<Value>) => Promise<void>,
    options: RespondOptions,
  ): Subscription {
    return this.#take(endpoint, options, async ({ parcel }) => {
      await handler(fromParcel(endpoint.message, parcel)).catch((error: unknown) => {
        const { template } = endpoint;
        this.#hub.logger.warn({ error, endpoint: template }, 'message not handled');
        throw error;
      });
    });
  }

  /** Fails what waits for an answer. */
  close(error: GatewayError): void {
    for (const request of this.#open) request.fail(error);
  }

  #take(
    endpoint: { subject: string; queueGroup: string; template: string },
    options: RespondOptions,
    handle: (offer: RequestOffer) => Promise<void>,
  ): Subscription {
    const slots = new WorkSlots(options);
    const work = async (offer: RequestOffer) => {
      if (offer.isLate) return;
      try {
        await runInConsumerSpan(endpoint, offer.carrier, () => handle(offer));
      } catch (error) {
        // Only what would cross a wire: the detail stays with whoever threw.
        offer.refuse(errorFromWire(errorToWire(toGatewayError(error))));
      }
    };
    const leave = this.#hub.requests.join(endpoint.subject, endpoint.queueGroup, {
      owner: this.#owner,
      take: (offer) => {
        const taken = outsideOfTraces(() => slots.run(() => work(offer)));
        if (!taken) offer.refuse(new GatewayError('overloaded', 'A service has too much to do.'));
      },
    });
    return subscription(leave, () => slots.idle());
  }
}

function tooLate(): GatewayError {
  return new GatewayError('deadline_exceeded', 'A service did not answer in time.');
}

function abortReason(signal: AbortSignal | undefined): GatewayError {
  if (signal?.reason instanceof GatewayError) return signal.reason;
  return new GatewayError('client_closed', 'The client closed the request.');
}

/** Leaves at once when drained, then waits for what was taken. */
export function subscription(leave: () => void, idle: () => Promise<void>): Subscription {
  const drain = async () => {
    leave();
    await idle();
  };
  return { drain, [Symbol.asyncDispose]: drain };
}
