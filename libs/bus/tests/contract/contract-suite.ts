/** What every implementation of the bus keeps. */
import { describe } from 'vitest';
import { bodyCases } from './bodies.ts';
import { bucketCases } from './buckets.ts';
import { type BusFixture, usePeers } from './bus-fixture.ts';
import { callFailureCases } from './call-failures.ts';
import { callCases } from './calls.ts';
import { drainCases } from './drain.ts';
import { eventCases } from './events.ts';
import { requestCases } from './requests.ts';
import { traceCases } from './trace.ts';

export function busContract(name: string, open: () => Promise<BusFixture>): void {
  describe(name, () => {
    const peers = usePeers(open);
    requestCases(peers);
    callCases(peers);
    callFailureCases(peers);
    bodyCases(peers);
    eventCases(peers);
    bucketCases(peers);
    drainCases(peers);
    traceCases(peers);
  });
}
