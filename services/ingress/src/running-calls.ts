import { GatewayError } from '@gateway/protocol';
import { InFlight } from '@gateway/runtime';

interface Cancellable {
  cancel(reason: GatewayError): void;
}

/**
 * The calls that run, all of which are cancelled when the time to drain ends: with one listener, since a
 * listener of its own on the signal of the process costs each request 2 µs.
 */
export class RunningCalls {
  readonly #calls = new InFlight<Cancellable>();

  constructor(drainEnding: AbortSignal) {
    drainEnding.addEventListener('abort', () => {
      for (const call of this.#calls) call.cancel(shuttingDown());
    });
  }

  /** The place of the call, by which it leaves. */
  add(call: Cancellable): number {
    return this.#calls.add(call);
  }

  delete(place: number, call: Cancellable): void {
    this.#calls.delete(place, call);
  }
}

/** Said to clients whose requests outlast the time to drain. */
export function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'This gateway is shutting down. Try again.');
}
