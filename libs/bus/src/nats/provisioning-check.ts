/**
 * Whether the streams, consumers and buckets that a service needs are there. Without a consumer the
 * event stream acknowledges and drops, so a service is not ready until they are. The answers tell the
 * server's time as well, so that a clock that is wrong is known here.
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
import { type ClockSample, clockOffset, clockSkew } from './clock-offset.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import type { RequestMux } from './request-mux.ts';

const CHECK_TIMEOUT_MS = 2_000;
/** While something is missing or the clock is wrong, and while all is well. */
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

const information = z.object({
  error: z.object({ code: z.number() }).optional(),
  /** When the server made the answer. */
  ts: z.iso.datetime({ offset: true }).optional(),
});

export class ProvisioningCheck {
  readonly #needs: readonly Need[];
  readonly #keeper: ConnectionKeeper;
  readonly #mux: RequestMux;
  readonly #clock: Clock;
  #outage: string | undefined;
  #clockSkew: string | undefined;
  #samples: ClockSample[] = [];
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

  /** What is wrong with this machine's clock, as far as it is known. */
  get clockSkew(): string | undefined {
    return this.#clockSkew;
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
      this.#samples = [];
      const found = await Promise.all(this.#needs.map((need) => this.#missing(need)));
      this.#outage = found.find((missing) => missing !== undefined);
      const offset = clockOffset(this.#samples);
      if (offset !== undefined) this.#clockSkew = clockSkew(offset);
    }
    if (this.#stopped) return;
    const isFine = this.#outage === undefined && this.#clockSkew === undefined;
    const waitMs = isFine ? RECHECK_PRESENT_MS : RECHECK_MISSING_MS;
    this.#callOff();
    this.#callOff = this.#clock.after(waitMs, () => void this.#look());
  }

  async #missing({ name, subject }: Need): Promise<string | undefined> {
    try {
      const askedAt = this.#clock.now();
      const startedAt = performance.now();
      const reply = await this.#mux.request({ subject, timeoutMs: CHECK_TIMEOUT_MS });
      const roundTripMs = performance.now() - startedAt;
      const { error, ts } = decodeJson(information, reply.data);
      if (ts !== undefined) {
        this.#samples.push({ askedAt, serverAt: Date.parse(ts), roundTripMs });
      }
      return error === undefined ? undefined : `${name} is missing`;
    } catch {
      return 'JetStream does not answer';
    }
  }
}
