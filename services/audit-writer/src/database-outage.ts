import type { Logger } from '@gateway/telemetry';

/** Why the database cannot be used now. What writes, asks and probes it reports here. */
export class DatabaseOutage {
  #reason: string | undefined = 'the database is being opened';
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Undefined when it can be used. */
  get reason(): string | undefined {
    return this.#reason;
  }

  begin(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#logger.error({ error }, 'the database cannot be used, events wait');
  }

  end(): void {
    if (this.#reason === undefined) return;
    this.#reason = undefined;
    this.#logger.info('the database can be used');
  }
}
