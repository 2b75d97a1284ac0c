/**
 * Questions to a service that requests can go on without. One that has failed several times in a row
 * is left alone for a while, so that a service that hangs costs a few requests its timeout and not
 * all of them. An outage is said once, and so is its end.
 */
import type { Logger } from '@gateway/telemetry';

/** Failures in a row after which the service is left alone. */
export const FAILURES_MAX = 3;
/** How long; then one request asks again for all. */
export const REST_MS = 1_000;

const NOTHING = Promise.resolve(undefined);

export interface OptionalServiceSetup {
  /** As logs and sentences have it, for example `cache`. */
  readonly name: string;
  readonly logger: Logger;
  readonly now?: () => number;
}

export class OptionalService {
  readonly #name: string;
  readonly #logger: Logger;
  readonly #now: () => number;
  #failures = 0;
  #restsUntil = 0;

  constructor({ name, logger, now = () => performance.now() }: OptionalServiceSetup) {
    this.#name = name;
    this.#logger = logger;
    this.#now = now;
  }

  /**
   * The answer, or undefined without one: the service failed, or is left alone. Never rejects. The question
   * must not throw.
   */
  ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    if (this.#failures >= FAILURES_MAX) {
      if (this.#now() < this.#restsUntil) return NOTHING;
      // The others go on without it until this one knows.
      this.#restsUntil = Number.POSITIVE_INFINITY;
    }
    return question().then(this.#succeeded, this.#failed);
  }

  readonly #succeeded = <Answer>(answer: Answer): Answer => {
    if (this.#failures > 0) this.#logger.info(`the ${this.#name} answers again`);
    this.#failures = 0;
    return answer;
  };

  readonly #failed = (error: unknown): undefined => {
    this.#failures += 1;
    this.#restsUntil = this.#now() + REST_MS;
    if (this.#failures > 1) return;
    this.#logger.warn({ error }, `the ${this.#name} does not answer, requests go on without it`);
  };
}
