/** Second starts of the embedded gateway: how soon it is ready, and what it holds when idle. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot, startNodeProcess } from '@gateway/testing';
import { MEMORY_ENVIRONMENT, MEMORY_FLAGS } from '../../infra/npm/memory-settings.mjs';
import { residentByPart, sum } from './measure.ts';
import { type Run, unlessAborted, withDirectory } from './run.ts';
import { startEmbedded } from './systems/embedded.ts';

const STARTS = 5;
const DATABASE_OPENINGS = 3;
const IDLE_WAIT_MS = 2_000;
const DATABASE = join(repositoryRoot, 'tests/load/database-memory-main.ts');

export interface Starts {
  readonly readyAfterMs: readonly number[];
  readonly idleBytes: readonly number[];
  /** What a process with the gateway's settings grows by when it opens the same database and does nothing else. */
  readonly databaseBytes: readonly number[];
}

/** With everything as a first start and its requests left it in the directory. */
export function measureStarts(upstreamPort: number, { directory, signal }: Run): Promise<Starts> {
  return withDirectory(directory, async (own) => {
    const gateway = join(own, 'embedded');
    const starts = { readyAfterMs: [], idleBytes: [], databaseBytes: [] } as {
      readonly [name in keyof Starts]: number[];
    };
    for (let start = 0; start <= STARTS; start += 1) {
      await using system = await startEmbedded({ upstreamPort, directory: gateway, signal });
      await sleep(IDLE_WAIT_MS, undefined, { signal });
      if (start === 0) continue;
      starts.readyAfterMs.push(system.readyAfterMs);
      starts.idleBytes.push(sum(residentByPart(system)));
    }
    for (let opening = 0; opening < DATABASE_OPENINGS; opening += 1) {
      await using database = startNodeProcess({
        script: DATABASE,
        arguments: [join(gateway, 'audit')],
        nodeArguments: MEMORY_FLAGS,
        environment: MEMORY_ENVIRONMENT,
      });
      const [, bytes] = await unlessAborted(database.waitForLine(/^added (\d+)$/), signal);
      starts.databaseBytes.push(Number(bytes));
    }
    return starts;
  });
}
