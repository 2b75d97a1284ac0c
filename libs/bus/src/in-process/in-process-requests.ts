import {
  type Endpoint,
  errorFromWire,
  errorToWire,
  GatewayError,
  MESSAGE_BYTES_MAX,
  type OneWayEndpoint,
  toGatewayError,
} from '@gateway/protocol';
import { InFlight } from '@gateway/runtime';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type {
  Message,
  RequestHandler,
  RequestOptions,
  RespondOptions,
  Subscription,
} from '../bus.ts';
import { WorkSlots } from '../calls/work-slots.ts';
import { activeCarrier, runInConsumerSpan } from '../trace-context.ts';
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

function fromParcel<Value>(
  schema: { parse(value: unknown): Value },
  { text, body }: Parcel,
): Message<Value> {
  return { value: schema.parse(JSON.parse(text)), ...(body !== undefined && { body }) };
}

/** Requests, answers and one-way messages of one bus. */
export class InProcessRequests {
  readonly #hub: HubState;
  readonly #owner: object;
  readonly #open = new InFlight<(error: GatewayError) => void>();

  constructor(hub: HubState, owner: object) {
    this.#hub = hub;
    this.#owner = owner;
  }

  async request<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    message: Message<Request>,
    { timeoutMs, signal }: RequestOptions,
  ): Promise<Message<Reply>> {
    if (signal?.aborted) throw abortReason(signal);
    const parcel = toParcel(message);
    const { promise, resolve, reject } = Promise.withResolvers<Parcel>();
    const callOff = this.#hub.clock.after(timeoutMs, () =>
      reject(new GatewayError('deadline_exceeded', 'A service did not answer in time.')),
    );
    const abort = () => reject(abortReason(signal));
    signal?.addEventListener('abort', abort, { once: true });
    const place = this.#open.add(reject);
    try {
      const isLate = () => this.#open.at(place) !== reject;
      const { turns, requests } = this.#hub;
      const answer = (reply: Parcel) => turns.push(() => resolve(reply));
      const refuse = (error: GatewayError) => turns.push(() => reject(error));
      const offer = { parcel, carrier: activeCarrier(), isLate, answer, refuse };
      if (!requests.send(endpoint.subject, this.#owner, offer)) {
        const detail = `nobody serves ${endpoint.subject}`;
        const message = 'No service answers on the message bus.';
        refuse(new GatewayError('no_responders', message, { detail }));
      }
      return fromParcel(endpoint.reply, await promise);
    } catch (error) {
      throw toGatewayError(error);
    } finally {
      callOff();
      signal?.removeEventListener('abort', abort);
      this.#open.delete(place, reject);
    }
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
      this.#hub.requests.send(endpoint.subject, this.#owner, {
        parcel: toParcel(message),
        carrier: activeCarrier(),
        isLate: () => false,
        answer: () => {},
        refuse: () => {},
      });
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
    for (const reject of this.#open) reject(error);
  }

  #take(
    endpoint: { subject: string; queueGroup: string; template: string },
    options: RespondOptions,
    handle: (offer: RequestOffer) => Promise<void>,
  ): Subscription {
    const slots = new WorkSlots(options);
    const work = async (offer: RequestOffer) => {
      if (offer.isLate()) return;
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
        const taken = context.with(ROOT_CONTEXT, () => slots.run(() => work(offer)));
        if (!taken) offer.refuse(new GatewayError('overloaded', 'A service has too much to do.'));
      },
    });
    return subscription(leave, () => slots.idle());
  }
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
