/** Second starts of the embedded gateway: how soon it is ready, and what it holds when idle. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot, startNodeProcess } from '@gateway/testing';
import { residentByPart, sum } from './measure.ts';
import { startEmbedded } from './systems/embedded.ts';

const STARTS = 5;
const IDLE_WAIT_MS = 2_000;
const DATABASE = join(repositoryRoot, 'tests/load/database-memory-main.ts');

export interface Starts {
  readonly readyAfterMs: readonly number[];
  readonly idleBytes: readonly number[];
  /** What a process grows by when it opens the same database and does nothing else. */
  readonly databaseBytes: readonly number[];
}

/** With everything as a first start and its requests left it in the directory. */
export async function measureStarts(upstreamPort: number, directory: string): Promise<Starts> {
  const gateway = join(directory, 'embedded');
  const starts = { readyAfterMs: [], idleBytes: [], databaseBytes: [] } as {
    readonly [name in keyof Starts]: number[];
  };
  for (let start = 0; start <= STARTS; start += 1) {
    await using system = await startEmbedded({ upstreamPort, directory: gateway });
    await sleep(IDLE_WAIT_MS);
    if (start === 0) continue;
    starts.readyAfterMs.push(system.readyAfterMs);
    starts.idleBytes.push(sum(residentByPart(system)));
  }
  for (let start = 0; start < STARTS; start += 1) {
    const arguments_ = [join(gateway, 'audit')];
    await using database = startNodeProcess({ script: DATABASE, arguments: arguments_ });
    const [, bytes] = await database.waitForLine(/^added (\d+)$/);
    starts.databaseBytes.push(Number(bytes));
  }
  return starts;
}
