/** Request and reply, and one-way messages, over queue groups. */
import {
  type Endpoint,
  GatewayError,
  type OneWayEndpoint,
  toGatewayError,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import type { Msg } from '@nats-io/transport-node';
import type {
  Message,
  RequestHandler,
  RequestOptions,
  RespondOptions,
  Subscription,
} from '../bus.ts';
import { abortReason } from '../calls/abort-reason.ts';
import type { Clock } from '../calls/clock.ts';
import { WorkSlots } from '../calls/work-slots.ts';
import { runInConsumerSpan } from '../trace-context.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import { drainable } from './drainable.ts';
import { carrierOf, respondWithError, traceHeaders } from './message-format.ts';
import { checkedMessage, type PackedMessage, packedMessage } from './message-packs.ts';
import { ReplyPack } from './reply-pack.ts';
import {
  areRequests,
  deadlineOf,
  decodeMessages,
  decodeRequests,
  encodeMessages,
  timeoutOf,
} from './request-format.ts';
import type { RequestMux } from './request-mux.ts';
import { RequestPack } from './request-pack.ts';
import type { TurnEnd } from './turn-end.ts';
import { TurnPacks } from './turn-packs.ts';
import { type AskedRequest, WaitingRequest } from './waiting-request.ts';

/** Clocks of two machines may differ by this much before requests are taken for late ones. */
const CLOCK_SKEW_MAX_MS = 250;

export interface RequestsSetup {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly clock: Clock;
  readonly turnEnd: TurnEnd;
  readonly logger: Logger | undefined;
}

interface SentMessage {
  readonly endpoint: Pick<OneWayEndpoint<unknown>, 'subject' | 'template'>;
  readonly packed: PackedMessage;
}

/**
 * What is asked or sent in one turn of the event loop at one endpoint is one message. What belongs to a
 * trace goes alone, with its headers.
 */
export class Requests {
  readonly #setup: RequestsSetup;
  readonly #asked: TurnPacks<AskedRequest>;
  readonly #sent: TurnPacks<SentMessage>;

  constructor(setup: RequestsSetup) {
    this.#setup = setup;
    this.#asked = new TurnPacks(
      setup.turnEnd,
      (one, other) => one.subject === other.subject && one.timeoutMs === other.timeoutMs,
      (requests) => new RequestPack(setup, requests).send(),
    );
    this.#sent = new TurnPacks(
      setup.turnEnd,
      (one, other) => one.endpoint.subject === other.endpoint.subject,
      (messages) => this.#publish(messages),
    );
  }

  request<Request, Reply>(
    { subject, reply }: Endpoint<Request, Reply>,
    message: Message<Request>,
    { timeoutMs, signal }: RequestOptions,
  ): Promise<Message<Reply>> {
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    let packed: PackedMessage;
    try {
      this.#setup.keeper.require();
      packed = packedMessage(message);
    } catch (error) {
      return Promise.reject(error);
    }
    const waiting = new WaitingRequest({ subject, packed, reply, timeoutMs, signal });
    const headers = traceHeaders();
    if (headers === undefined) this.#asked.add(waiting);
    else new RequestPack(this.#setup, [waiting]).send(headers);
    return waiting.promise;
  }

  respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Promise<Subscription> {
    const { clock } = this.#setup;
    const slots = new WorkSlots(options);
    return this.#subscribe(endpoint, slots, (message) => {
      const requests = this.#requestsIn(message, endpoint.template);
      if (requests === undefined) return;
      const arrivedAt = clock.now();
      if (arrivedAt > deadlineOf(message.data) + CLOCK_SKEW_MAX_MS) return;
      const timeoutMs = timeoutOf(message.data);
      const carrier = carrierOf(message);
      const replies = new ReplyPack(message, this.#setup);
      const run = async (place: number, request: Message<unknown>) => {
        // Its turn came when nobody waits for the answer any more.
        if (clock.now() - arrivedAt > timeoutMs) return;
        try {
          const handle = () => handler(checkedMessage(endpoint.request, request));
          replies.answer(place, await runInConsumerSpan(endpoint, carrier, handle));
        } catch (error) {
          this.#logUnexpected(endpoint.template, error);
          replies.fail(place, toGatewayError(error));
        }
      };
      for (const [place, request] of requests.entries()) {
        if (slots.run(() => run(place, request))) continue;
        replies.fail(place, new GatewayError('overloaded', 'A service has too much to do.'));
      }
    });
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    try {
      const headers = traceHeaders();
      const sent = { endpoint, packed: packedMessage(message) };
      if (headers === undefined) this.#sent.add(sent);
      else {
        const bytes = encodeMessages([sent.packed]);
        this.#setup.keeper.require().publish(endpoint.subject, bytes, { headers });
      }
    } catch (error) {
      this.#setup.logger?.debug({ error, endpoint: endpoint.template }, 'message not sent');
    }
  }

  receive<Value>(
    endpoint: OneWayEndpoint<Value>,
    handler: (message: Message<Value>) => Promise<void>,
    options: RespondOptions,
  ): Promise<Subscription> {
    const slots = new WorkSlots(options);
    const notHandled = (error: unknown) => {
      this.#setup.logger?.warn({ error, endpoint: endpoint.template }, 'message not handled');
    };
    return this.#subscribe(endpoint, slots, (received) => {
      const carrier = carrierOf(received);
      const run = async (message: Message<unknown>) => {
        try {
          const handle = () => handler(checkedMessage(endpoint.message, message));
          await runInConsumerSpan(endpoint, carrier, handle);
        } catch (error) {
          notHandled(error);
        }
      };
      let messages: readonly Message<unknown>[];
      try {
        messages = decodeMessages(received.data);
      } catch (error) {
        notHandled(error);
        return;
      }
      for (const message of messages) {
        if (slots.run(() => run(message))) continue;
        this.#setup.logger?.debug({ endpoint: endpoint.template }, 'message dropped: no room');
      }
    });
  }

  #publish(messages: readonly SentMessage[]): void {
    const [first] = messages;
    if (first === undefined) return;
    const { subject, template } = first.endpoint;
    try {
      const bytes = encodeMessages(messages.map(({ packed }) => packed));
      this.#setup.keeper.require().publish(subject, bytes);
    } catch (error) {
      this.#setup.logger?.debug({ error, endpoint: template }, 'messages not sent');
    }
  }

  async #subscribe(
    endpoint: { readonly subject: string; readonly queueGroup: string },
    slots: WorkSlots,
    received: (message: Msg) => void,
  ): Promise<Subscription> {
    const subscription = await this.#setup.keeper.subscribe(endpoint.subject, {
      queue: endpoint.queueGroup,
      callback: (error, message) => {
        if (error === null) received(message);
      },
    });
    return drainable(async () => {
      await this.#setup.keeper.unsubscribe(subscription);
      await slots.idle();
    });
  }

  /** Undefined, and the message answered as a whole, where it is not one of requests. */
  #requestsIn(message: Msg, endpoint: string): readonly Message<unknown>[] | undefined {
    try {
      if (areRequests(message.data)) return decodeRequests(message.data);
      this.#answer(message, new GatewayError('internal', 'A service cannot read the request.'));
    } catch (error) {
      this.#logUnexpected(endpoint, error);
      this.#answer(message, toGatewayError(error));
    }
    return undefined;
  }

  #answer(message: Msg, error: GatewayError): void {
    try {
      respondWithError(message, error);
    } catch (cause) {
      this.#setup.logger?.warn({ error: cause }, 'an error was not answered');
    }
  }

  #logUnexpected(endpoint: string, error: unknown): void {
    if (error instanceof GatewayError && error.code !== 'internal') return;
    this.#setup.logger?.error({ error, endpoint }, 'request failed');
  }
}
