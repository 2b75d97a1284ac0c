import type { Delivery } from '@gateway/bus';
import type { GatewayEvent } from '@gateway/protocol';
import { type ControlColumns, controlOf, digestOf } from './event-columns.ts';
import { type RequestState, stateOf } from './row.ts';

/**
 * A delivery that can be stored. What it says is made when it is asked for: of the three events of a
 * request, the row needs but half.
 */
export class Entry {
  readonly delivery: Delivery;
  readonly event: GatewayEvent;
  /** Lower case, as the database writes it; undefined for a change of control data. */
  readonly requestId: string | undefined;

  constructor(delivery: Delivery, event: GatewayEvent) {
    this.delivery = delivery;
    this.event = event;
    this.requestId = event.kind === 'control' ? undefined : event.requestId.toLowerCase();
  }

  get digest(): string {
    return digestOf(this.delivery.bytes);
  }

  /** What it adds to a request. Throws `UnstorableEvent`. */
  get state(): RequestState | undefined {
    return this.event.kind === 'control' ? undefined : stateOf(this.event, this.digest);
  }

  /** Throws `UnstorableEvent`. */
  get change(): ControlColumns | undefined {
    return this.event.kind === 'control' ? controlOf(this.event) : undefined;
  }
}
