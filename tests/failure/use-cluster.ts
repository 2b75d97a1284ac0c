/**
 * A cluster over the tests of a file. After each test, whatever it did, every process that runs is
 * ready, every event is settled, and clients, ledger and provider agree on every request so far. So a
 * test says what its fault does to clients, and puts right again what it broke.
 */
import { WaitTimeoutError, waitFor } from '@gateway/testing';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { Answer } from '../cluster/client.ts';
import type { LedgerStory } from '../cluster/ledger-problems.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../cluster/start-cluster.ts';

/** More than a killed writer's events need to be delivered again. */
const SETTLED_TIMEOUT_MS = 30_000;
const SETTLED_INTERVAL_MS = 100;

export interface FaultOptions extends ClusterOptions, Pick<LedgerStory, 'unheardAttempts'> {}

export function useCluster({
  unheardAttempts = false,
  ...options
}: FaultOptions = {}): () => Cluster {
  let cluster: Cluster | undefined;
  const asked: Promise<Answer>[] = [];
  beforeAll(async () => {
    cluster = noting(await startCluster(options), asked);
  });
  afterEach(async () => {
    if (cluster === undefined) return;
    await settled(cluster, await Promise.all(asked), { unheardAttempts });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  return () => {
    if (cluster === undefined) throw new Error('The cluster has not started.');
    return cluster;
  };
}

/** The same cluster, keeping every answer that it gives. */
function noting(cluster: Cluster, asked: Promise<Answer>[]): Cluster {
  const begin: Cluster['begin'] = (...question) => {
    const asking = cluster.begin(...question);
    asked.push(asking.answer);
    return asking;
  };
  return { ...cluster, begin, ask: (...question) => begin(...question).answer };
}

/** The rows follow the answers by a moment, and by much more where a writer had died. */
async function settled(
  cluster: Cluster,
  answers: readonly Answer[],
  more: Pick<LedgerStory, 'unheardAttempts'>,
): Promise<void> {
  const problems = () => cluster.problems(answers, more);
  const agrees = async () => (await problems()).length === 0;
  const options = { timeoutMs: SETTLED_TIMEOUT_MS, intervalMs: SETTLED_INTERVAL_MS };
  try {
    await waitFor(agrees, { what: 'clients, ledger and provider to agree', ...options });
  } catch (error) {
    if (!(error instanceof WaitTimeoutError)) throw error;
  }
  expect(await problems()).toEqual([]);
  await cluster.quiet();
  await Promise.all(
    cluster.processes.filter(({ isRunning }) => isRunning).map((process) => process.ready()),
  );
}
