import type { JsonObject } from '../json/read-json.ts';

/** Says an event of a stream; a whole answer says none. */
export type Emit = (type: string, fields: JsonObject) => void;

export type ItemStatus = 'completed' | 'incomplete';

/** Where an item stands: what every event about it repeats. */
export interface ItemPlace {
  readonly item_id: string;
  readonly output_index: number;
}

/** An output item that is being written. */
export interface OpenItem {
  readonly place: ItemPlace;
  /** Says the item's last events and returns the whole item. */
  close(status: ItemStatus): JsonObject;
}
