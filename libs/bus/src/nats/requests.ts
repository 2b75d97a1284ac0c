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
import type { Clock } from '../calls/clock.ts';
import { WorkSlots } from '../calls/work-slots.ts';
import { runInConsumerSpan } from '../trace-context.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import { drainable } from './drainable.ts';
import {
  carrierOf,
  decodeMessage,
  encodeMessage,
  errorInReply,
  respondWithError,
  traceHeaders,
} from './message-format.ts';
import {
  deadlineOf,
  decodeRequest,
  encodeRequest,
  isRequest,
  timeoutOf,
} from './request-format.ts';
import type { RequestMux } from './request-mux.ts';

/** Clocks of two machines may differ by this much before requests are taken for late ones. */
const CLOCK_SKEW_MAX_MS = 250;

export interface RequestsSetup {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
}

export class Requests {
  readonly #setup: RequestsSetup;

  constructor(setup: RequestsSetup) {
    this.#setup = setup;
  }

  async request<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    message: Message<Request>,
    { timeoutMs, signal }: RequestOptions,
  ): Promise<Message<Reply>> {
    const reply = await this.#setup.mux.request({
      subject: endpoint.subject,
      payload: encodeRequest(message, this.#setup.clock.now() + timeoutMs, timeoutMs),
      headers: traceHeaders(),
      timeoutMs,
      signal,
    });
    const error = errorInReply(reply);
    if (error !== undefined) throw error;
    return decodeMessage(endpoint.reply, reply.data);
  }

  respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Promise<Subscription> {
    const { clock } = this.#setup;
    const slots = new WorkSlots(options);
    const run = async (message: Msg, arrivedAt: number) => {
      // Its turn came when nobody waits for the answer any more.
      if (clock.now() - arrivedAt > timeoutOf(message.data)) return;
      try {
        const reply = await runInConsumerSpan(endpoint, carrierOf(message), () =>
          handler(decodeRequest(endpoint.request, message.data)),
        );
        message.respond(encodeMessage(reply));
      } catch (error) {
        this.#logUnexpected(endpoint.template, error);
        this.#answer(message, toGatewayError(error));
      }
    };
    return this.#subscribe(endpoint, slots, (message) => {
      if (!isRequest(message.data)) {
        this.#answer(message, new GatewayError('internal', 'A service cannot read the request.'));
        return;
      }
      const arrivedAt = clock.now();
      if (arrivedAt > deadlineOf(message.data) + CLOCK_SKEW_MAX_MS) return;
      if (slots.run(() => run(message, arrivedAt))) return;
      this.#answer(message, new GatewayError('overloaded', 'A service has too much to do.'));
    });
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    try {
      const connection = this.#setup.keeper.require();
      const headers = traceHeaders();
      const bytes = encodeMessage(message);
      if (headers === undefined) connection.publish(endpoint.subject, bytes);
      else connection.publish(endpoint.subject, bytes, { headers });
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
    const run = async (message: Msg) => {
      try {
        await runInConsumerSpan(endpoint, carrierOf(message), () =>
          handler(decodeMessage(endpoint.message, message.data)),
        );
      } catch (error) {
        this.#setup.logger?.warn({ error, endpoint: endpoint.template }, 'message not handled');
      }
    };
    return this.#subscribe(endpoint, slots, (message) => {
      if (slots.run(() => run(message))) return;
      this.#setup.logger?.debug({ endpoint: endpoint.template }, 'message dropped: no room');
    });
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
