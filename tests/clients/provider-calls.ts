/** What reached the provider, as the provider wrote it down. */
import { type LedgerEntry, waitFor } from '@gateway/testing';
import { inject } from 'vitest';

async function ledger(): Promise<readonly LedgerEntry[]> {
  const response = await fetch(inject('ledgerUrl'));
  return (await response.json()) as LedgerEntry[];
}

/** The calls that a piece of work led to. Only for work that is alone on its gateway. */
export class ProviderCalls {
  readonly #before: number;

  private constructor(before: number) {
    this.#before = before;
  }

  static async from(): Promise<ProviderCalls> {
    return new ProviderCalls((await ledger()).length);
  }

  async all(): Promise<readonly LedgerEntry[]> {
    return (await ledger()).slice(this.#before);
  }

  /** The first call, as soon as it has ended. */
  ended(): Promise<LedgerEntry> {
    const first = async () => {
      const [call] = await this.all();
      return call !== undefined && call.ended !== 'open' ? call : undefined;
    };
    return waitFor(first, { what: 'the end of the call of the provider' });
  }
}
