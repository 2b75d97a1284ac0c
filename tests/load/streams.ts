/** Many slow streams through the stack at once: what each needs, how late chunks are, what is kept. */
import { join } from 'node:path';
import { repositoryRoot, startNodeProcess, WaitTimeoutError, waitFor } from '@gateway/testing';
import { runSql } from '../cluster/audit-rows.ts';
import { COUNTER, type Load, type LoadResult } from './load.ts';
import { measureIdle, residentByPart, runDriver } from './measure.ts';
import { type Run, unlessAborted, withDirectory } from './run.ts';
import { startSystem } from './systems/start-system.ts';
import type { PartName, RunningSystem } from './systems/system.ts';

const SAMPLE_INTERVAL_MS = 1_000;
const IDLE_WINDOW_MS = 1_000;
/** Enough to see what a chunk is delayed by where there is no gateway. */
const CHUNKS_WITHOUT_GATEWAY = 5;
const LEDGER_TIMEOUT_MS = 60_000;
const LEDGER_INTERVAL_MS = 500;
const WARM_UP_STREAMS = 100;
const CONNECTIONS_MAX = '20000';
const CALLS_MAX = '10000';

export interface StreamsOptions {
  readonly streams: number;
  readonly chunks: number;
  readonly intervalMs: number;
  /** At which streams are opened. */
  readonly opensPerSecond: number;
  readonly upstreamPort: number;
}

export interface StreamsResult {
  readonly streams: number;
  /** Of each stream. */
  readonly chunks: number;
  readonly load: LoadResult;
  readonly withoutGateway: LoadResult;
  /** The most that each process grew by while the streams ran. */
  readonly grownBytesByPart: Readonly<Partial<Record<PartName, number>>>;
  readonly rows: number;
  /** Of these, such that say that all of the answer was sent. */
  readonly completeRows: number;
  /** Why others were refused or broke, as the ledger has it. */
  readonly errors: readonly StreamErrors[];
}

export interface StreamErrors {
  readonly code: string;
  readonly rows: number;
}

export function measureStreams(options: StreamsOptions, run: Run): Promise<StreamsResult> {
  return withDirectory(run.directory, async (directory) => {
    await using system = await startSystem('stack', {
      upstreamPort: options.upstreamPort,
      directory: join(directory, 'stack'),
      signal: run.signal,
      environment: {
        // One machine plays all clients, and one worker serves them.
        GATEWAY_MAX_CONNECTIONS: CONNECTIONS_MAX,
        GATEWAY_MAX_CONNECTIONS_PER_ADDRESS: CONNECTIONS_MAX,
        WORKER_CONCURRENCY: CALLS_MAX,
      },
    });
    const { headers, port } = system;
    const warmUp = { ...options, streams: WARM_UP_STREAMS, chunks: 10, intervalMs: 10 };
    await runDriver(streamsLoad(warmUp, { headers, port }), run);
    await measureIdle(system, IDLE_WINDOW_MS, run.signal);
    const rowsBefore = (await rowsOf(system)).rows;
    const before = residentByPart(system);
    const running = runDriver(streamsLoad(options, { headers, port }), run);
    const most = await mostResident(system, running);
    const load = await running;
    const ledger = await unlessAborted(
      settledRows(system, rowsBefore + options.streams),
      run.signal,
    );
    const grown = Object.entries(most).map(([name, bytes]) => {
      return [name, bytes - (before[name as PartName] ?? 0)] as const;
    });
    return {
      streams: options.streams,
      chunks: options.chunks,
      load,
      withoutGateway: await runDriver(loadWithoutGateway(options), run),
      grownBytesByPart: Object.fromEntries(grown),
      rows: ledger.rows - rowsBefore,
      completeRows: ledger.complete - rowsBefore,
      errors: await errorsOf(system),
    };
  });
}

function loadWithoutGateway(options: StreamsOptions): Load {
  const fewer = { ...options, chunks: Math.min(options.chunks, CHUNKS_WITHOUT_GATEWAY) };
  return streamsLoad(fewer, { headers: {}, port: options.upstreamPort });
}

function streamsLoad(
  { streams, chunks, intervalMs, opensPerSecond }: StreamsOptions,
  { headers, port }: Pick<Load, 'headers' | 'port'>,
): Load {
  return {
    port,
    headers,
    path: '/v1/chat/completions',
    body: JSON.stringify({
      model: `gpt-bench-stream-${chunks}x${intervalMs}`,
      stream: true,
      messages: [{ role: 'user', content: `Question ${COUNTER}` }],
    }),
    expectedStatus: 200,
    connections: streams,
    ratePerSecond: opensPerSecond,
    requestsMax: streams,
    durationMs: (streams / opensPerSecond) * 1_000 + chunks * intervalMs,
  };
}

/** The most that each process has until the work is done. */
async function mostResident(system: RunningSystem, work: Promise<unknown>) {
  const most: Partial<Record<PartName, number>> = {};
  const sample = () => {
    for (const [name, bytes] of Object.entries(residentByPart(system))) {
      most[name as PartName] = Math.max(most[name as PartName] ?? 0, bytes);
    }
  };
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS);
  sample();
  await work.catch(() => {});
  clearInterval(timer);
  return most;
}

async function rowsOf({ ledgerUrl = '' }: RunningSystem) {
  const [counts] = await runSql<{ rows: number; complete: number }>(
    ledgerUrl,
    `SELECT count(*)::int AS rows, count(*) FILTER (WHERE status = 200 AND ended = 'complete')::int
       AS complete FROM audit WHERE endpoint = '/v1/chat/completions'`,
  );
  return counts ?? { rows: 0, complete: 0 };
}

function errorsOf({ ledgerUrl = '' }: RunningSystem): Promise<StreamErrors[]> {
  return runSql<StreamErrors>(
    ledgerUrl,
    `SELECT error_code AS code, count(*)::int AS rows FROM audit
       WHERE endpoint = '/v1/chat/completions' AND error_code IS NOT NULL
       GROUP BY error_code ORDER BY rows DESC`,
  );
}

async function settledRows(system: RunningSystem, expected: number) {
  let last = await rowsOf(system);
  const isSettled = async () => {
    last = await rowsOf(system);
    return last.rows >= expected && last.complete >= expected;
  };
  const wait = { what: 'rows', timeoutMs: LEDGER_TIMEOUT_MS, intervalMs: LEDGER_INTERVAL_MS };
  await waitFor(isSettled, wait).catch((error) => {
    if (!(error instanceof WaitTimeoutError)) throw error;
  });
  return last;
}

/** Starts the upstream for the time of the work. */
export async function withUpstream<T>(work: (port: number) => Promise<T>): Promise<T> {
  const script = join(repositoryRoot, 'tests/load/upstream-main.ts');
  await using upstream = startNodeProcess({ script });
  const [, port] = await upstream.waitForLine(/^upstream (\d+) /);
  return await work(Number(port));
}
