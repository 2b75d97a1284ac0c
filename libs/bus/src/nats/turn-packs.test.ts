import { describe, expect, test } from 'vitest';
import {
  bytesInPack,
  MESSAGE_PACK_BYTES_MAX,
  PACK_MESSAGES_MAX,
  packedMessage,
} from './message-packs.ts';
import { TurnEnd } from './turn-end.ts';
import { TurnPacks } from './turn-packs.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Item {
  readonly name: string;
  readonly way: string;
  readonly packed: ReturnType<typeof packedMessage>;
}

function item(name: string, way = 'one', body = new Uint8Array(0)): Item {
  return { name, way, packed: packedMessage({ value: name, body }) };
}

async function packsOf(...items: readonly Item[]): Promise<string[][]> {
  const sent: string[][] = [];
  const packs = new TurnPacks<Item>(
    new TurnEnd(),
    (one, other) => one.way === other.way,
    (pack) => void sent.push(pack.map(({ name }) => name)),
  );
  for (const each of items) packs.add(each);
  expect(sent).toEqual([]);
  await turn();
  return sent;
}

describe('what is sent in a turn', () => {
  test('goes together where it goes the same way', async () => {
    const sent = await packsOf(item('a'), item('b', 'other'), item('c'));
    expect(sent).toEqual([['a', 'c'], ['b']]);
  });

  test('is no more than PACK_MESSAGES_MAX', async () => {
    const names = Array.from({ length: PACK_MESSAGES_MAX + 1 }, (_, index) => `${index}`);
    const sent = await packsOf(...names.map((name) => item(name)));
    expect(sent).toEqual([names.slice(0, -1), names.slice(-1)]);
  });

  test('is no more than MESSAGE_PACK_BYTES_MAX', async () => {
    const first = item('a');
    const room = MESSAGE_PACK_BYTES_MAX - bytesInPack(first.packed) - bytesInPack(item('b').packed);
    expect(await packsOf(first, item('b', 'one', new Uint8Array(room)))).toEqual([['a', 'b']]);
    const larger = item('b', 'one', new Uint8Array(room + 1));
    expect(await packsOf(first, larger)).toEqual([['a'], ['b']]);
  });

  test('goes alone where it is larger than a pack', async () => {
    const large = item('large', 'one', new Uint8Array(MESSAGE_PACK_BYTES_MAX));
    expect(await packsOf(item('a'), large, item('b'))).toEqual([['a'], ['large'], ['b']]);
  });
});
