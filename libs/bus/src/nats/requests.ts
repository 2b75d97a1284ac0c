/** Request and reply, and one-way messages, over queue groups. */
import {
  type Endpoint,
  GatewayError,
  headers as headerNames,
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
  headersWith,
  respondWithError,
} from './message-format.ts';
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
    const deadline = this.#setup.clock.now() + timeoutMs;
    const reply = await this.#setup.mux.request({
      subject: endpoint.subject,
      payload: encodeMessage(message),
      headers: headersWith({
        [headerNames.deadline]: String(deadline),
        [headerNames.timeout]: String(timeoutMs),
      }),
      timeoutMs,
      signal,
    });
    const error = errorInReply(reply);
    if (error !== undefined) throw error;
    return checked(endpoint.reply, reply);
  }

  respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Promise<Subscription> {
    const run = async (message: Msg) => {
      try {
        const reply = await runInConsumerSpan(endpoint, carrierOf(message), () =>
          handler(checked(endpoint.request, message)),
        );
        message.respond(encodeMessage(reply));
      } catch (error) {
        this.#logUnexpected(endpoint.template, error);
        this.#answer(message, toGatewayError(error));
      }
    };
    return this.#subscribe(endpoint, options, run, (message) => {
      this.#answer(message, new GatewayError('overloaded', 'A service has too much to do.'));
    });
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    try {
      const options = { headers: headersWith({}) };
      this.#setup.keeper.require().publish(endpoint.subject, encodeMessage(message), options);
    } catch (error) {
      this.#setup.logger?.debug({ error, endpoint: endpoint.template }, 'message not sent');
    }
  }

  receive<Value>(
    endpoint: OneWayEndpoint<Value>,
    handler: (message: Message<Value>) => Promise<void>,
    options: RespondOptions,
  ): Promise<Subscription> {
    const run = async (message: Msg) => {
      try {
        await runInConsumerSpan(endpoint, carrierOf(message), () =>
          handler(checked(endpoint.message, message)),
        );
      } catch (error) {
        this.#setup.logger?.warn({ error, endpoint: endpoint.template }, 'message not handled');
      }
    };
    return this.#subscribe(endpoint, options, run, () => {
      this.#setup.logger?.debug({ endpoint: endpoint.template }, 'message dropped: no room');
    });
  }

  async #subscribe(
    endpoint: { readonly subject: string; readonly queueGroup: string },
    options: RespondOptions,
    run: (message: Msg) => Promise<void>,
    full: (message: Msg) => void,
  ): Promise<Subscription> {
    const slots = new WorkSlots(options);
    const subscription = await this.#setup.keeper.subscribe(endpoint.subject, {
      queue: endpoint.queueGroup,
      callback: (error, message) => {
        if (error !== null || this.#cameLate(message)) return;
        const arrivedAt = this.#setup.clock.now();
        const task = async () => {
          if (!this.#waitedTooLong(message, arrivedAt)) await run(message);
        };
        if (!slots.run(task)) full(message);
      },
    });
    return drainable(async () => {
      await this.#setup.keeper.unsubscribe(subscription);
      await slots.idle();
    });
  }

  /** Whether nobody waits for the answer any more, by clocks that differ by CLOCK_SKEW_MAX_MS. */
  #cameLate(message: Msg): boolean {
    const deadline = message.headers?.get(headerNames.deadline) ?? '';
    return deadline !== '' && this.#setup.clock.now() > Number(deadline) + CLOCK_SKEW_MAX_MS;
  }

  /** Whether its turn came when nobody waits for the answer any more. */
  #waitedTooLong(message: Msg, arrivedAt: number): boolean {
    const timeout = message.headers?.get(headerNames.timeout) ?? '';
    return timeout !== '' && this.#setup.clock.now() - arrivedAt > Number(timeout);
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

function checked<Value>(schema: { parse(value: unknown): Value }, message: Msg): Message<Value> {
  const { value, body } = decodeMessage(message.data);
  return { value: schema.parse(value()), ...(body !== undefined && { body }) };
}
