/** A breaker for each provider and model, since a provider may fail for one model alone. */
import { GatewayError } from '@gateway/protocol';
import { getMeter, type Logger } from '@gateway/telemetry';
import { Breaker, type CallResult, type Passage } from './breaker.ts';

/**
 * Clients may name any model, so their number has to have an end. Closed ones without a failure are
 * forgotten first, since nothing is lost with them, and open ones last; of a kind, those not used for
 * longest.
 */
export const BREAKERS_MAX = 1_024;

const meter = getMeter('provider-worker');
const openCircuits = meter.createUpDownCounter('gateway.provider.open_circuits', {
  description: 'Models of a provider whose calls are refused because it fails',
});
const refusedCalls = meter.createCounter('gateway.provider.circuit_refusals', {
  description: 'Calls refused without asking the provider because it fails',
});

/** Leave to make one call. */
export interface CallLeave {
  /** The provider has begun to answer; whether the answer is good is not known yet. */
  answering(): void;
  /** The call is over, or was never made: what counts is in the error. */
  ended(error: GatewayError | undefined): void;
}

interface Circuit {
  readonly breaker: Breaker;
  readonly provider: string;
  readonly model: string;
}

export class ProviderBreakers {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  /** Those used last come last. */
  readonly #circuits = new Map<string, Circuit>();
  #newest: Circuit | undefined;

  constructor(logger: Logger, nowMs: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#circuits.size;
  }

  /**
   * Throws `provider_unavailable` with the reason `circuit_open`: another target may do, the same one
   * at once will not.
   */
  enter(provider: string, model: string): CallLeave {
    const circuit = this.#circuitOf(provider, model);
    const passage = circuit.breaker.pass(this.#nowMs());
    if ('refusedForMs' in passage) {
      refusedCalls.add(1, { provider });
      const message = `The provider ${provider} has failed repeatedly and is not asked for a while.`;
      const retryAfterMs = passage.refusedForMs;
      const facts = { provider, reason: 'circuit_open', retryAfterMs };
      throw new GatewayError('provider_unavailable', message, facts);
    }
    return new Leave(this, circuit, passage);
  }

  tell(circuit: Circuit, passage: Passage, result: CallResult): void {
    const wasClosed = circuit.breaker.isClosed;
    passage.tell(result, this.#nowMs());
    if (circuit.breaker.isClosed !== wasClosed) this.#changed(circuit);
  }

  #circuitOf(provider: string, model: string): Circuit {
    const key = `${provider}\n${model}`;
    const circuit = this.#circuits.get(key) ?? { breaker: new Breaker(), provider, model };
    if (circuit === this.#newest) return circuit;
    this.#newest = circuit;
    this.#circuits.delete(key);
    this.#circuits.set(key, circuit);
    if (this.#circuits.size > BREAKERS_MAX) this.#forgetOneBut(circuit);
    return circuit;
  }

  #forgetOneBut(kept: Circuit): void {
    const others = [...this.#circuits].filter(([, circuit]) => circuit !== kept);
    const forgotten =
      others.find(([, { breaker }]) => breaker.isFresh) ??
      others.find(([, { breaker }]) => breaker.isClosed) ??
      others[0];
    if (forgotten === undefined) return;
    const [key, { breaker, provider }] = forgotten;
    this.#circuits.delete(key);
    if (!breaker.isClosed) openCircuits.add(-1, { provider });
  }

  #changed(circuit: Circuit): void {
    const { breaker, provider, model } = circuit;
    if (this.#circuits.get(`${provider}\n${model}`) !== circuit) return;
    openCircuits.add(breaker.isClosed ? -1 : 1, { provider });
    if (breaker.isClosed) this.#logger.info({ provider, model }, 'the provider answers again');
    else this.#logger.warn({ provider, model }, 'the provider fails and is not asked for a while');
  }
}

class Leave implements CallLeave {
  readonly #breakers: ProviderBreakers;
  readonly #circuit: Circuit;
  readonly #passage: Passage;

  constructor(breakers: ProviderBreakers, circuit: Circuit, passage: Passage) {
    this.#breakers = breakers;
    this.#circuit = circuit;
    this.#passage = passage;
  }

  answering(): void {
    if (this.#passage.isTrial) this.#breakers.tell(this.#circuit, this.#passage, 'success');
  }

  ended(error: GatewayError | undefined): void {
    this.#breakers.tell(this.#circuit, this.#passage, resultOf(error));
  }
}

const FAILURES: ReadonlySet<string> = new Set([
  'provider_unavailable',
  'provider_overloaded',
  'provider_bad_response',
  'provider_timeout',
  'stream_interrupted',
]);

/** A provider too busy to look at the request: neither a sign that it works nor that it fails. */
const BUSY_STATUSES: ReadonlySet<number> = new Set([408, 429]);

/**
 * A provider that refuses a request works. What ended for a reason of ours, or of the client, says
 * nothing of it; nor does the total timeout, which a slow reader or an earlier attempt may use up.
 */
export function resultOf(error: GatewayError | undefined): CallResult {
  if (error === undefined) return 'success';
  const { upstreamStatus = 0, reason } = error.facts;
  if (BUSY_STATUSES.has(upstreamStatus)) return 'neither';
  if (upstreamStatus >= 400 && upstreamStatus < 500) return 'success';
  return FAILURES.has(error.code) && reason !== 'total_timeout' ? 'failure' : 'neither';
}
