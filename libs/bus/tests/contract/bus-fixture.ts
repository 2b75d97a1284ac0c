import type { ServiceName } from '@gateway/protocol';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Bus } from '../../src/bus.ts';

/** One implementation of the bus, ready for peers. Streams, consumers and buckets exist. */
export interface BusFixture extends AsyncDisposable {
  /** A new peer, with an instance id of its own. */
  connect(service: ServiceName): Promise<Bus>;
  /** Makes a peer vanish as if its process were killed: no drain and no word to anybody. */
  kill(bus: Bus): Promise<void>;
}

/** What the cases use: peers end with the test that made them. */
export type Peers = Pick<BusFixture, 'connect' | 'kill'>;

export function usePeers(open: () => Promise<BusFixture>): Peers {
  let fixture: BusFixture | undefined;
  const buses = new Set<Bus>();
  const opened = () => {
    if (fixture === undefined) throw new Error('the fixture is not open');
    return fixture;
  };
  beforeAll(async () => {
    fixture = await open();
  });
  afterEach(async () => {
    const all = [...buses];
    buses.clear();
    await Promise.all(all.map((bus) => bus.drain()));
  });
  afterAll(() => fixture?.[Symbol.asyncDispose]());
  return {
    connect: async (service) => {
      const bus = await opened().connect(service);
      buses.add(bus);
      return bus;
    },
    kill: async (bus) => {
      buses.delete(bus);
      await opened().kill(bus);
    },
  };
}
