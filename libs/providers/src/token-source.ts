import type { StopSignal } from './stop-signal.ts';

/** Gives credentials that expire for one that lasts. Disposing ends a renewal that still runs. */
export interface TokenSource extends AsyncDisposable {
  /**
   * A token that is good for a minute at least, an old one where there is one. Throws
   * `provider_auth_failed` when none is given, `provider_unavailable` or `provider_timeout` when
   * nobody could be asked, and the reason of the signal. It waits `waitMsMax` at most.
   */
  take(signal: StopSignal, waitMsMax: number): Promise<string>;
  /** The provider has refused this token: the next call gets another. */
  forget(token: string): void;
  /** Gives no more new tokens; resolves when a renewal that runs is done. */
  close(): Promise<void>;
}
