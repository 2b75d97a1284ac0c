/**
 * A whole run: the cluster, its clients and its nemesis for a while, then quiet, then the judgement.
 * What it leaves behind (journal, ledger of the provider, report) is in the directory given.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { loadSecrets } from '@gateway/stack';
import { repositoryRoot } from '@gateway/testing';
import { type Cluster, startCluster } from '../cluster/start-cluster.ts';
import type { ClientKey } from './ask.ts';
import { checkHistory } from './checks/check-history.ts';
import {
  quietState,
  readCalls,
  readJournal,
  readRequestRows,
  untilQuiet,
} from './collect-history.ts';
import { EventTap } from './event-tap.ts';
import type { History, JournalEntry, KeyLimits } from './history.ts';
import { Journal } from './journal.ts';
import { Nemesis } from './nemesis.ts';
import { cachedAnswers } from './redis-contents.ts';
import { failureText, makeReport, type Report, type RunFacts, summaryText } from './report.ts';
import { runClients } from './run-clients.ts';
import { faultSchedule, scheduleText } from './schedule.ts';
import { CANARIES, FALLBACK_MODEL, KEYS } from './workload.ts';

/** Deadline and grace of a request, leases of slots and redelivery all pass within this. */
const QUIET_TIMEOUT_MS = 150_000;
const PROGRESS_INTERVAL_MS = 10_000;

/** More than a provider that hangs takes, repetitions and a pause of a process included. */
const DEADLINE_SECONDS = 15;

const CONFIGURATION = `\
timeouts:
  { connect_seconds: 1, first_byte_seconds: 3, idle_seconds: 3, total_seconds: ${DEADLINE_SECONDS} }
models:
  - match: ${FALLBACK_MODEL}
    targets:
      - { provider: openai, model: gpt-4o }
      - { provider: anthropic, model: claude-haiku-4-5 }
`;

export interface TortureOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly clients: number;
  /** Requests in a second, all clients together. */
  readonly rate: number;
  /** Ends the run early, once so many were made. */
  readonly requestsMax: number;
  /** Faults at a time; 0 for none. */
  readonly faultsAtOnce: number;
  readonly faultGapMs: number;
  /** Must not exist yet. */
  readonly directory: string;
  /** As it is to be typed again. */
  readonly command: string;
  readonly print: (text: string) => void;
}

export async function torture(options: TortureOptions): Promise<Report> {
  const { seed, directory, print } = options;
  await mkdir(directory, { recursive: true });
  const files = {
    journal: join(directory, 'journal.jsonl'),
    ledger: join(directory, 'provider-calls.jsonl'),
    report: join(directory, 'report.json'),
    history: join(directory, 'history.bin'),
  };
  const planned = faultSchedule({
    seed,
    durationMs: options.faultsAtOnce === 0 ? 0 : options.durationMs,
    atOnceMax: options.faultsAtOnce,
    gapMs: options.faultGapMs,
  });
  const schedule = scheduleText(planned);
  print(`seed ${seed}, ${planned.length} faults:\n${schedule}`);

  await using cluster = await startTortured(files.ledger, directory);
  const { provisioner } = loadSecrets(cluster.directory).nats;
  await using tap = await EventTap.open(cluster.nats.url, provisioner);
  const { keys, limits } = await makeKeys(cluster, options.clients);
  const nemesis = new Nemesis(cluster);
  const over = AbortSignal.timeout(options.durationMs);
  const startedAt = performance.now();
  const progress = watchProgress(options, nemesis, startedAt);
  const asked = new AbortController();
  const account = nemesis.run(planned, AbortSignal.any([over, asked.signal]));
  {
    await using journal = await Journal.create(files.journal);
    await runClients({
      ...{ seed, clients: options.clients, rate: options.rate, requestsMax: options.requestsMax },
      ...{ signal: over, keys, journal, onEnded: progress.onEnded },
      ingresses: cluster.processes
        .filter(({ service }) => service === 'ingress')
        .map(({ id, baseUrl }) => ({ id, baseUrl })),
    });
  }
  asked.abort();
  const durationMs = performance.now() - startedAt;
  const { faults, complaints } = await account;
  progress.stop();
  print('healed, waiting for quiet');
  const unrest = await untilQuiet(cluster, QUIET_TIMEOUT_MS);
  for (const { id, lines } of cluster.processes) {
    await writeFile(join(directory, `${id}.log`), lines.join('\n'));
  }
  print(`left: ${JSON.stringify(unrest)}`);
  const history: History = {
    deadlineMs: 1_000 * DEADLINE_SECONDS,
    canaries: CANARIES,
    keys: limits,
    journal: await readJournal(files.journal),
    rows: await readRequestRows(cluster.postgres.url),
    events: tap.events,
    faults,
    cached: await cachedAnswers(cluster.redis.url),
    quiet: await quietState(cluster, unrest),
    calls: await readCalls(files.ledger),
  };
  const { command } = options;
  const facts = { seed, command, revision: revision(), durationMs, schedule };
  await writeFile(files.history, serialize({ facts, history, complaints } satisfies KeptRun));
  const report = judge({ facts, history, complaints }, print);
  await writeFile(files.report, `${JSON.stringify(report, undefined, 2)}\n`);
  print(`report: ${files.report}`);
  return report;
}

/** A run as it is kept, so that it can be judged again. */
interface KeptRun {
  readonly facts: RunFacts;
  readonly history: History;
  readonly complaints: readonly string[];
}

/** Judges a run that was kept in a file. */
export async function judgeAgain(file: string, print: (text: string) => void): Promise<Report> {
  return judge(deserialize(await readFile(file)) as KeptRun, print);
}

function judge({ facts, history, complaints }: KeptRun, print: (text: string) => void): Report {
  const report = makeReport(facts, history, checkHistory(history), complaints);
  print(summaryText(report));
  if (!report.passed) print(failureText(report, history));
  return report;
}

function startTortured(ledgerFile: string, directory: string): Promise<Cluster> {
  return startCluster({
    processes: { ingress: 2, 'provider-worker': 2, 'rate-limiter': 2, 'audit-writer': 2 },
    proxied: {
      ingress: ['nats'],
      'provider-worker': ['nats', 'provider'],
      'rate-limiter': ['nats', 'redis'],
      cache: ['nats', 'redis'],
      'audit-writer': ['nats', 'postgres'],
    },
    configuration: CONFIGURATION,
    environment: { LOG_LEVEL: 'warn', GATEWAY_SPOOL_DIR: join(directory, 'spool') },
    environments: { 'audit-writer': { AUDIT_GRACE_SECONDS: '5' } },
    simulator: { ledgerFile },
  });
}

/** The keys of the workload, and one of them for each client. */
async function makeKeys(cluster: Cluster, clients: number) {
  const made: { readonly key: ClientKey; readonly share: number; readonly limits: KeyLimits }[] =
    [];
  for (const { name, tenant, share, requests, concurrency } of KEYS) {
    const { id, key } = await cluster.createKey({
      name,
      tenant,
      ...(requests && {
        limit: { requests: requests.amount, window_seconds: requests.windowSeconds },
      }),
      ...(concurrency !== undefined && { concurrency }),
    });
    made.push({
      key: { id, text: key, tenant },
      share,
      limits: {
        keyId: id,
        tenant,
        ...(requests && {
          requests: { amount: requests.amount, windowMs: 1_000 * requests.windowSeconds },
        }),
        ...(concurrency !== undefined && { concurrency }),
      },
    });
  }
  const shares = made.flatMap(({ key, share }) => Array.from({ length: share }, () => key));
  return {
    keys: Array.from(
      { length: clients },
      (_, client) => shares[client % shares.length] as ClientKey,
    ),
    limits: made.map(({ limits }) => limits),
  };
}

function watchProgress({ print }: TortureOptions, nemesis: Nemesis, startedAt: number) {
  let count = 0;
  let answered = 0;
  const timer = setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const rate = Math.round(count / seconds);
    print(
      `${Math.round(seconds)} s: ${count} requests (${rate}/s), ${answered} answered whole, ` +
        `${nemesis.injected} faults`,
    );
  }, PROGRESS_INTERVAL_MS);
  return {
    onEnded: ({ end }: JournalEntry) => {
      count += 1;
      if (end === 'complete') answered += 1;
    },
    stop: () => clearInterval(timer),
  };
}

/** The commit, and whether the files differ from it. */
function revision(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, { cwd: repositoryRoot, encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}
