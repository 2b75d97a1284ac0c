import {
  type Endpoint,
  GatewayError,
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
import { abortReason } from '../calls/abort-reason.ts';
import type { Timer } from '../calls/clock.ts';
import { WorkSlots } from '../calls/work-slots.ts';
import { activeCarrier, outsideOfTraces, runInConsumerSpan } from '../trace-context.ts';
import { requireSize } from './handed-over.ts';
import type { HubState, RequestOffer } from './hub-state.ts';
import { publicError } from './in-process-call-ports.ts';
import type { TurnTask } from './turn-queue.ts';

/** What waits for an answer. */
interface OpenRequest {
  fail(error: GatewayError): void;
}

/** A message that nobody waits for. */
class OneWayOffer implements RequestOffer {
  readonly message: Message<unknown>;
  readonly carrier = activeCarrier();
  readonly isLate = false;

  constructor(message: Message<unknown>, { inspect }: HubState) {
    requireSize(message);
    inspect(message.value);
    this.message = message;
  }

  answer(): void {}

  refuse(): void {}
}

/** One object for all that may end a request. */
class WaitingRequest<Reply> implements RequestOffer, TurnTask, Timer {
  dueAtMs = 0;
  duePlace = -1;
  readonly message: Message<unknown>;
  readonly carrier = activeCarrier();
  readonly promise: Promise<Message<Reply>>;
  readonly #hub: HubState;
  readonly #open: InFlight<OpenRequest>;
  readonly #signal: AbortSignal | undefined;
  readonly #place: number;
  #resolve!: (message: Message<Reply>) => void;
  #reject!: (error: GatewayError) => void;
  /** On its way back. */
  #outcome: Message<Reply> | GatewayError | undefined;
  #isOver = false;

  constructor(
    { hub, open }: { hub: HubState; open: InFlight<OpenRequest> },
    message: Message<unknown>,
    { timeoutMs, signal }: RequestOptions,
  ) {
    requireSize(message);
    hub.inspect(message.value);
    this.#hub = hub;
    this.#open = open;
    this.message = message;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#place = open.add(this);
    hub.clock.start(this, timeoutMs);
    signal?.addEventListener('abort', this);
  }

  get isLate(): boolean {
    return this.#isOver;
  }

  /** Throws where the reply is too large. */
  answer(reply: Message<unknown>): void {
    requireSize(reply);
    this.#hub.inspect(reply.value);
    // Of the endpoint that was asked.
    this.#passBack(reply as Message<Reply>);
  }

  refuse(error: GatewayError): void {
    this.#passBack(error);
  }

  fail(error: GatewayError): void {
    this.#settle();
    this.#reject(error);
  }

  /** The clock's. */
  due(): void {
    this.fail(tooLate());
  }

  /** The signal's. */
  handleEvent(): void {
    this.fail(abortReason(this.#signal));
  }

  inTurn(): void {
    const outcome = this.#outcome;
    if (this.#isOver || outcome === undefined) return;
    this.#settle();
    if (outcome instanceof GatewayError) this.#reject(outcome);
    else this.#resolve(outcome);
  }

  #passBack(outcome: Message<Reply> | GatewayError): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#hub.turns.push(this);
  }

  #settle(): void {
    this.#isOver = true;
    this.#hub.clock.stop(this);
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
    { subject }: Endpoint<Request, Reply>,
    message: Message<Request>,
    options: RequestOptions,
  ): Promise<Message<Reply>> {
    if (options.signal?.aborted) return Promise.reject(abortReason(options.signal));
    let waiting: WaitingRequest<Reply>;
    try {
      waiting = new WaitingRequest({ hub: this.#hub, open: this.#open }, message, options);
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
      offer.answer(await handler(offer.message as Message<Request>));
    });
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    try {
      this.#hub.requests.send(endpoint.subject, this.#owner, new OneWayOffer(message, this.#hub));
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
    return this.#take(endpoint, options, async ({ message }) => {
      await handler(message as Message<Value>).catch((error: unknown) => {
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
        offer.refuse(publicError(toGatewayError(error)));
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

/** Leaves at once when drained, then waits for what was taken. */
export function subscription(leave: () => void, idle: () => Promise<void>): Subscription {
  const drain = async () => {
    leave();
    await idle();
  };
  return { drain, [Symbol.asyncDispose]: drain };
}
