import type { Delivery } from '@gateway/bus';
import { eventSchemaState, type GatewayEvent, gatewayEvent } from '@gateway/protocol';
import { type ControlColumns, controlOf, digestOf, UnstorableEvent } from './event-columns.ts';
import { isRequestEvent } from './event-shape.ts';
import { type RequestState, stateOf } from './row.ts';

const REASON_LENGTH_MAX = 256;
const ISSUES_MAX = 5;

/** A delivery that can be stored, with what it adds to a request or to the control changes. */
export interface Entry {
  readonly delivery: Delivery;
  readonly event: GatewayEvent;
  readonly state?: RequestState;
  readonly change?: ControlColumns;
}

export type Reading =
  | { readonly verdict: 'good'; readonly entry: Entry }
  /** Of a schema that this version does not know yet. */
  | { readonly verdict: 'newer' }
  /** Never storable. The reason holds nothing that the event says. */
  | { readonly verdict: 'poison'; readonly reason: string };

export function readDelivery(delivery: Delivery): Reading {
  // Parsed each time it is asked for.
  const { value } = delivery;
  if (isRequestEvent(value)) return readingOf(delivery, value);
  switch (eventSchemaState(value)) {
    case 'newer':
      return { verdict: 'newer' };
    case 'unreadable':
      return { verdict: 'poison', reason: 'not an event' };
    case 'known':
  }
  const parsed = gatewayEvent.safeParse(value);
  if (!parsed.success) {
    const faults = parsed.error.issues
      .slice(0, ISSUES_MAX)
      .map(({ path, code }) => `${path.map(String).join('.') || 'event'}: ${code}`);
    const reason = `against its schema: ${faults.join(', ')}`.slice(0, REASON_LENGTH_MAX);
    return { verdict: 'poison', reason };
  }
  return readingOf(delivery, parsed.data);
}

function readingOf(delivery: Delivery, event: GatewayEvent): Reading {
  try {
    const entry =
      event.kind === 'control'
        ? { delivery, event, change: controlOf(event) }
        : { delivery, event, state: stateOf(event, digestOf(delivery.bytes)) };
    return { verdict: 'good', entry };
  } catch (error) {
    if (!(error instanceof UnstorableEvent)) throw error;
    return { verdict: 'poison', reason: error.message };
  }
}
