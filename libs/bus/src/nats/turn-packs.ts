import {
  bytesInPack,
  MESSAGE_PACK_BYTES_MAX,
  PACK_MESSAGES_MAX,
  type PackedMessage,
} from './message-packs.ts';
import type { TurnEnd } from './turn-end.ts';

interface OpenPack<Item> {
  readonly first: Item;
  readonly items: Item[];
  bytes: number;
}

/** Gathers what is sent in one turn of the event loop, for what goes the same way to go together. */
export class TurnPacks<Item extends { readonly packed: PackedMessage }> {
  readonly #turnEnd: TurnEnd;
  readonly #goTogether: (first: Item, other: Item) => boolean;
  readonly #send: (items: readonly Item[]) => void;
  /** A turn has few ways. */
  #open: OpenPack<Item>[] = [];
  readonly #sendAll = (): void => {
    const packs = this.#open;
    this.#open = [];
    for (const { items } of packs) this.#send(items);
  };

  /** `send` must not throw. */
  constructor(
    turnEnd: TurnEnd,
    goTogether: (first: Item, other: Item) => boolean,
    send: (items: readonly Item[]) => void,
  ) {
    this.#turnEnd = turnEnd;
    this.#goTogether = goTogether;
    this.#send = send;
  }

  add(item: Item): void {
    const bytes = bytesInPack(item.packed);
    const pack = this.#open.findLast(({ first }) => this.#goTogether(first, item));
    if (
      pack !== undefined &&
      pack.items.length < PACK_MESSAGES_MAX &&
      pack.bytes + bytes <= MESSAGE_PACK_BYTES_MAX
    ) {
      pack.items.push(item);
      pack.bytes += bytes;
      return;
    }
    if (this.#open.length === 0) this.#turnEnd.push(this.#sendAll);
    this.#open.push({ first: item, items: [item], bytes });
  }
}
