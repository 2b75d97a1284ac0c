/** The limits of a request, asked of the rate-limiter. */
import type { Bus } from '@gateway/bus';
import {
  type Configuration,
  GatewayError,
  type KeyRecord,
  type Limit,
  type ReserveReply,
  reserveEndpoint,
  toGatewayError,
} from '@gateway/protocol';
import { getMeter, type Logger } from '@gateway/telemetry';
import { OptionalService } from './optional-service.ts';
import type { ClientRequest } from './request-record.ts';
import { SlotKeeper } from './slot-keeper.ts';

/** Without an answer of the limiter in this time a request is refused. */
const REFUSE_AFTER_MS = 1_000;
/** The same where it is then admitted: nobody has to wait so long for nothing. */
const ADMIT_AFTER_MS = 250;

const NOTHING = Promise.resolve(undefined);

const admittedUnchecked = getMeter('ingress').createCounter('gateway.ingress.unchecked_requests', {
  description: 'Requests admitted although their limits could not be checked',
});

export interface LimitsSetup {
  readonly bus: Bus;
  readonly configuration: Configuration;
  readonly logger: Logger;
}

export class Limits implements Disposable {
  readonly #bus: Bus;
  readonly #configuration: Configuration;
  readonly #limiter: OptionalService;
  readonly #slots: SlotKeeper;
  /** A key that changes is another record. */
  readonly #limitsOfKeys = new WeakMap<KeyRecord, KeyLimits>();

  constructor({ bus, configuration, logger }: LimitsSetup) {
    this.#bus = bus;
    this.#configuration = configuration;
    this.#limiter = new OptionalService({ name: 'rate-limiter', logger });
    this.#slots = new SlotKeeper(bus);
  }

  /**
   * What the limiter says; undefined where it need not be asked, or where nobody can say and requests
   * are then admitted. Throws `limiter_unavailable` where they are then refused. What is reserved is
   * held until `release`.
   */
  reserve(
    { requestId, key }: ClientRequest,
    deadlineAt: number,
  ): Promise<ReserveReply | undefined> {
    const { limits, scopes } = this.#limitsOf(key);
    if (limits.length === 0) return NOTHING;
    // Held before the answer, since the limiter may have given what its lost answer said.
    if (scopes.length > 0) this.#slots.hold({ requestId, scopes });
    const message = { value: { requestId, limits } };
    if (this.#configuration.limiterUnavailable === 'admit') {
      const timeoutMs = waitMs(ADMIT_AFTER_MS, deadlineAt);
      return this.#limiter
        .ask(() => this.#bus.request(reserveEndpoint, message, { timeoutMs }))
        .then((reply) => this.#answered(requestId, reply?.value));
    }
    const timeoutMs = waitMs(REFUSE_AFTER_MS, deadlineAt);
    return this.#bus
      .request(reserveEndpoint, message, { timeoutMs })
      .then(({ value }) => this.#answered(requestId, value), cannotCheck);
  }

  #answered(requestId: string, reply: ReserveReply | undefined): ReserveReply | undefined {
    if (reply === undefined) admittedUnchecked.add(1);
    else if (!reply.allowed) this.#slots.forget(requestId);
    return reply;
  }

  #limitsOf(key: KeyRecord): KeyLimits {
    let limits = this.#limitsOfKeys.get(key);
    if (limits === undefined) {
      limits = limitsOf(key, this.#configuration);
      this.#limitsOfKeys.set(key, limits);
    }
    return limits;
  }

  /** Gives back the slots that the request holds, to be called before its last byte. */
  release(requestId: string): void {
    this.#slots.release(requestId);
  }

  [Symbol.dispose](): void {
    this.#slots[Symbol.dispose]();
  }
}

/** Throws what a refusal says. */
export function enforce({ allowed, refusedBy, retryAfterMs }: ReserveReply): void {
  if (allowed) return;
  const facts = { ...(retryAfterMs !== undefined && { retryAfterMs }) };
  if (refusedBy?.kind === 'concurrency') {
    const message = 'Too many requests of this key run at the same time. Try again later.';
    throw new GatewayError('rate_limited', message, {
      ...facts,
      reason: 'concurrency_limit_exceeded',
    });
  }
  throw new GatewayError('rate_limited', 'Rate limit of this key reached. Try again later.', facts);
}

interface KeyLimits {
  readonly limits: Limit[];
  /** Where its requests hold slots. */
  readonly scopes: string[];
}

/** Those that bind the key: its own, or the default of the configuration. */
function limitsOf(key: KeyRecord, { keyLimit, keyConcurrency }: Configuration): KeyLimits {
  const scope = `key:${key.id}`;
  const limits: Limit[] = [];
  const limit = key.limit ?? keyLimit;
  if (limit) {
    const { requests: amount, windowSeconds } = limit;
    limits.push({ scope, kind: 'requests', amount, windowSeconds });
  }
  const amount = key.concurrency ?? keyConcurrency;
  if (amount === undefined) return { limits, scopes: [] };
  return { limits: [...limits, { scope, kind: 'concurrency', amount }], scopes: [scope] };
}

function waitMs(most: number, deadlineAt: number): number {
  return Math.max(1, Math.min(most, deadlineAt - Date.now()));
}

function cannotCheck(error: unknown): never {
  throw new GatewayError('limiter_unavailable', 'Rate limits cannot be checked at the moment.', {
    cause: error,
    detail: toGatewayError(error).code,
  });
}
