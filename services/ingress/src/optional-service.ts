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

  /** The answer, or undefined without one: the service failed, or is left alone. Never rejects. */
  async ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    if (this.#failures >= FAILURES_MAX) {
      if (this.#now() < this.#restsUntil) return undefined;
      // The others go on without it until this one knows.
      this.#restsUntil = Number.POSITIVE_INFINITY;
    }
    try {
      const answer = await question();
      this.#succeeded();
      return answer;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#logger.info(`the ${this.#name} answers again`);
    this.#failures = 0;
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    this.#restsUntil = this.#now() + REST_MS;
    if (this.#failures > 1) return;
    this.#logger.warn({ error }, `the ${this.#name} does not answer, requests go on without it`);
  }
}
