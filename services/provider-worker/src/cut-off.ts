import type { IncomingCall } from '@gateway/bus';
import { GatewayError } from '@gateway/protocol';
import type { StopSignal } from '@gateway/providers';
import { InFlight } from '@gateway/runtime';

/**
 * What stops one call: its caller, its deadline, or the end of the worker. Made for every call and
 * hardly ever used, so it is a list of listeners: two AbortControllers that listen to one another
 * cost four times as much.
 */
export class CallStop implements StopSignal {
  /** Among the calls that run: the cut-off's alone. */
  place = -1;
  readonly #listeners: (() => void)[] = [];
  #reason: GatewayError | undefined;

  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  get reason(): GatewayError | undefined {
    return this.#reason;
  }

  /** The first reason stays. */
  stop(reason: GatewayError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    for (const listener of this.#listeners.splice(0)) listener();
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const index = this.#listeners.indexOf(listener);
    if (index >= 0) this.#listeners.splice(index, 1);
  }
}

/** Ends the calls that still run when the worker has to stop. */
export class CutOff {
  readonly #running = new InFlight<CallStop>();
  #reason: GatewayError | undefined;

  /** `ending` aborts when what runs may run no longer. */
  constructor(ending: AbortSignal) {
    if (ending.aborted) this.#stop();
    else ending.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** To be given back to `leave` when the call is over. */
  enter(call: Pick<IncomingCall<unknown, unknown>, 'onStop'>): CallStop {
    const stop = new CallStop();
    call.onStop((reason) => stop.stop(reason));
    if (this.#reason !== undefined) stop.stop(this.#reason);
    stop.place = this.#running.add(stop);
    return stop;
  }

  leave(stop: CallStop): void {
    this.#running.delete(stop.place, stop);
  }

  #stop(): void {
    const reason = new GatewayError('shutting_down', 'The gateway is shutting down.');
    this.#reason = reason;
    for (const stop of this.#running) stop.stop(reason);
  }
}
