/**
 * Takes calls for one endpoint: refuses what came too late, hands back what it cannot take,
 * runs the handler in the sender's trace, and sees to it that every call it took ends.
 */
import { GatewayError, type StreamEndpoint, toGatewayError } from '@gateway/protocol';
import { type CallHandler, HAND_BACK_MAX, type ServeOptions } from '../bus.ts';
import { type Carrier, runInConsumerSpan } from '../trace-context.ts';
import type { CallOpening } from './call-messages.ts';
import type { Clock } from './clock.ts';
import { IncomingCallMachine, type IncomingCallPort } from './incoming-call.ts';
import { WorkSlots } from './work-slots.ts';

export interface Arrival {
  readonly opening: CallOpening;
  /** Checked by the endpoint's schema here, when there is room for the call. */
  readonly value: unknown;
  /** Trace context of the caller. */
  readonly carrier: Carrier;
  readonly port: IncomingCallPort;
  /** Offers the call to another server of the group, with its count of hand-backs raised by one. */
  handBack(): void;
}

export interface CallServerSetup<Request, Head> {
  readonly endpoint: StreamEndpoint<Request, Head>;
  readonly handler: CallHandler<Request, Head>;
  readonly options: ServeOptions;
  readonly worker: string;
  readonly clock: Clock;
  /** Whether the clock means to callers what it says. A server that cannot read their times takes no call. */
  readonly isClockRight: () => boolean;
  /** Called before the handler runs, so that control messages find the call. */
  opened(
    call: IncomingCallMachine<Request, Head>,
    opening: CallOpening,
    port: IncomingCallPort,
  ): void;
  /** The handler left its event unpublished or did not end its call: for the log. */
  failed(error: unknown): void;
}

/** The error of a call that no server of the group takes, since each is full or its clock is wrong. */
export function allFull(): GatewayError {
  return new GatewayError('overloaded', 'All workers of this provider are busy.');
}

export class CallServer<Request, Head> {
  readonly #setup: CallServerSetup<Request, Head>;
  readonly #slots: WorkSlots;

  constructor(setup: CallServerSetup<Request, Head>) {
    this.#setup = setup;
    this.#slots = new WorkSlots(setup.options, 0);
  }

  arrive(arrival: Arrival): void {
    const { opening } = arrival;
    const { clock, isClockRight } = this.#setup;
    if (!isClockRight()) {
      this.#refuse(arrival);
      return;
    }
    const now = clock.now();
    // The caller has given up on it and answered its client, so nobody would read a frame.
    if (now >= opening.acceptBy || now >= opening.deadlineAt) return;
    if (!this.#slots.run(() => this.#run(arrival))) this.#refuse(arrival);
  }

  /** Resolves when no handler runs. */
  idle(): Promise<void> {
    return this.#slots.idle();
  }

  #refuse(arrival: Arrival): void {
    if (arrival.opening.handBacks < HAND_BACK_MAX) arrival.handBack();
    else this.#sendFailure(arrival, allFull());
  }

  async #run(arrival: Arrival): Promise<void> {
    const { endpoint, handler, worker, clock, opened, failed } = this.#setup;
    const { opening, port } = arrival;
    let call: IncomingCallMachine<Request, Head>;
    try {
      const request = endpoint.request.parse(arrival.value);
      call = new IncomingCallMachine({ opening, request, worker, clock, port });
    } catch (error) {
      failed(error);
      this.#sendFailure(arrival, toGatewayError(error));
      return;
    }
    opened(call, opening, port);
    try {
      await runInConsumerSpan(endpoint, arrival.carrier, () => handler(call));
      if (call.isClosed) return;
      const detail = 'the handler returned without ending its call';
      await call.fail(toGatewayError(call.stopReason ?? new Error(detail)));
    } catch (error) {
      failed(error);
      await call.fail(toGatewayError(error)).catch(failed);
    }
  }

  #sendFailure({ opening, port }: Arrival, error: GatewayError): void {
    const { attempt } = opening;
    try {
      port.sendFrame({ type: 'error', attempt, sequence: 0, content: { error } });
    } catch (unsent) {
      this.#setup.failed(unsent);
    }
  }
}
