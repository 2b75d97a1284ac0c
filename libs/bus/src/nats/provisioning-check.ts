/**
 * Whether the streams, consumers and buckets that a service needs are there. Without a consumer the
 * event stream acknowledges and drops, so a service is not ready until they are.
 */
import {
  bucketStream,
  buckets,
  consumers,
  jetStreamSubjects,
  type ServiceName,
  streams,
} from '@gateway/protocol';
import { z } from 'zod';
import { decodeJson } from '../calls/call-messages.ts';
import type { Clock } from '../calls/clock.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import type { RequestMux } from './request-mux.ts';

const CHECK_TIMEOUT_MS = 2_000;
/** While something is missing, and while nothing is. */
const RECHECK_MISSING_MS = 500;
const RECHECK_PRESENT_MS = 10_000;

interface Need {
  readonly name: string;
  readonly subject: string;
}

function stream(name: string): Need {
  return { name: `stream ${name}`, subject: jetStreamSubjects.streamInfo(name) };
}

const eventConsumers: readonly Need[] = Object.values(consumers).map((consumer) => ({
  name: `consumer ${consumer.durable} of ${consumer.stream}`,
  subject: jetStreamSubjects.consumerInfo(consumer.stream, consumer.durable),
}));

const NEEDS: Readonly<Record<ServiceName, readonly Need[]>> = {
  ingress: [
    stream(streams.events.name),
    ...eventConsumers,
    stream(bucketStream(buckets.keys)),
    stream(bucketStream(buckets.configuration)),
  ],
  'provider-worker': [stream(streams.events.name), stream(bucketStream(buckets.configuration))],
  'audit-writer': [stream(streams.events.name), stream(streams.quarantine.name), ...eventConsumers],
  'rate-limiter': [],
  cache: [],
};

const information = z.object({ error: z.object({ code: z.number() }).optional() });

export class ProvisioningCheck {
  readonly #needs: readonly Need[];
  readonly #keeper: ConnectionKeeper;
  readonly #mux: RequestMux;
  readonly #clock: Clock;
  #outage: string | undefined;
  #callOff: () => void = () => {};
  #stopped = false;

  constructor(service: ServiceName, keeper: ConnectionKeeper, mux: RequestMux, clock: Clock) {
    this.#needs = NEEDS[service];
    this.#keeper = keeper;
    this.#mux = mux;
    this.#clock = clock;
    this.#outage = this.#needs.length === 0 ? undefined : 'the streams were not looked for yet';
  }

  /** What is missing. */
  get outage(): string | undefined {
    return this.#outage;
  }

  /** Looks, and goes on looking. Resolves after the first look. */
  async start(): Promise<void> {
    if (this.#needs.length === 0) return;
    this.#keeper.listen({ restored: () => void this.#look() });
    await this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff();
  }

  async #look(): Promise<void> {
    this.#callOff();
    if (this.#keeper.connection !== undefined) {
      const found = await Promise.all(this.#needs.map((need) => this.#missing(need)));
      this.#outage = found.find((missing) => missing !== undefined);
    }
    if (this.#stopped) return;
    const waitMs = this.#outage === undefined ? RECHECK_PRESENT_MS : RECHECK_MISSING_MS;
    this.#callOff();
    this.#callOff = this.#clock.after(waitMs, () => void this.#look());
  }

  async #missing({ name, subject }: Need): Promise<string | undefined> {
    try {
      const reply = await this.#mux.request({ subject, timeoutMs: CHECK_TIMEOUT_MS });
      const { error } = decodeJson(information, reply.data);
      return error === undefined ? undefined : `${name} is missing`;
    } catch {
      return 'JetStream does not answer';
    }
  }
}
