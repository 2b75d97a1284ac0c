import type { Delivery } from '@gateway/bus';
import { eventSchemaState, type GatewayEvent, gatewayEvent } from '@gateway/protocol';
import { Entry } from './entry.ts';
import { UnstorableEvent, withStorableTexts } from './event-columns.ts';
import { isRequestEvent } from './event-shape.ts';

const REASON_LENGTH_MAX = 256;
const ISSUES_MAX = 5;
const BACKSLASH = 0x5c;

export type Reading =
  | { readonly verdict: 'good'; readonly entry: Entry }
  /** Of a schema that this version does not know yet. */
  | { readonly verdict: 'newer' }
  /** Never storable. The reason holds nothing that the event says. */
  | { readonly verdict: 'poison'; readonly reason: string };

export function readDelivery(delivery: Delivery): Reading {
  // Parsed each time it is asked for.
  const { value } = delivery;
  if (isRequestEvent(value) && !delivery.bytes.includes(BACKSLASH)) {
    return { verdict: 'good', entry: new Entry(delivery, value) };
  }
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
    const storable = event.kind === 'control' ? event : withStorableTexts(event);
    const entry = new Entry(delivery, storable);
    // Thrown away: it is made to see whether it can be made.
    void (entry.state ?? entry.change);
    return { verdict: 'good', entry };
  } catch (error) {
    if (!(error instanceof UnstorableEvent)) throw error;
    return { verdict: 'poison', reason: error.message };
  }
}
