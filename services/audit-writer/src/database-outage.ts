import type { Logger } from '@gateway/telemetry';

/**
 * What found the fault, and has to find it gone: a database that answers a probe may still refuse to
 * write, since a replica that was not promoted does so.
 */
export type OutageSource = 'opening' | 'writing' | 'probing';

/** Why the database cannot be used now. */
export class DatabaseOutage {
  readonly #reasons = new Map<OutageSource, string>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Undefined when it can be used. */
  get reason(): string | undefined {
    return this.#reasons.values().next().value;
  }

  begin(source: OutageSource, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#reasons.get(source) === reason) return;
    this.#reasons.set(source, reason);
    this.#logger.error({ error, source }, 'the database cannot be used, events wait');
  }

  end(source: OutageSource): void {
    if (!this.#reasons.delete(source) || this.reason !== undefined) return;
    this.#logger.info('the database can be used');
  }
}
