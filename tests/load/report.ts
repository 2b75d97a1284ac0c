/** The tables that are printed and written to `docs/performance.md`. */
import type { BenchResults } from './bench.ts';
import {
  chunkDelay,
  cpuOfParts,
  cpuPerChunk,
  cpuPerRequest,
  type Figures,
  figuresOf,
  firstChunk,
  latency,
  mebibytes,
  requestsPerSecond,
} from './figures.ts';
import type { Machine } from './machine.ts';
import { markdownTable, number } from './markdown-table.ts';
import { median } from './percentiles.ts';
import { SCENARIOS } from './scenarios.ts';
import { type PartName, SYSTEM_NAMES, type SystemName } from './systems/system.ts';
import { absoluteTargets, isReached, ratioTargets, type Target } from './targets.ts';

const TITLES: Readonly<Record<SystemName, string>> = {
  direct: 'no gateway',
  embedded: 'embedded',
  stack: 'stack',
  'stack-synced': 'stack, synced',
  portkey: 'Portkey',
};

const MEBIBYTE = 1024 ** 2;

const PARTS: readonly PartName[] = [
  'ingress',
  'rate-limiter',
  'cache',
  'provider-worker',
  'audit-writer',
  'nats',
  'redis',
  'postgres',
];

export function report(results: BenchResults, machine: Machine): string {
  const figures = figuresOf(results);
  return [
    machineText(results, machine),
    ...section('To be reached, and reached', [targetTable(figures, results)]),
    ...section('Everything', mainTables(figures, results)),
    ...section('Where the CPU of the stack goes', [partTable(figures)]),
    ...failures(results),
  ].join('\n\n');
}

/** Nothing where there are no tables. */
function section(title: string, tables: readonly string[]): readonly string[] {
  const filled = tables.filter((table) => table !== '');
  return filled.length === 0 ? [] : [`### ${title}`, ...filled];
}

function machineText({ rounds, peerPeak }: BenchResults, machine: Machine): string {
  const measurements = rounds.flatMap((round) => Object.values(round.measurements));
  const foreign = measurements.map(({ foreignProcessors }) => foreignProcessors);
  const count = Math.max(0, ...rounds.map(({ round }) => round));
  return [
    `${machine.date}, medians of ${count} rounds, on ${machine.processors}, ${machine.memory},`,
    `${machine.kernel}, Node ${machine.node}. A write synced to the disk took`,
    `${number(machine.syncMs)} ms. The load average before the run was`,
    `${number(machine.loadBefore)}, and other processes kept ${number(median(foreign))} processors busy`,
    `meanwhile (${number(Math.max(0, ...foreign))} at most). Half of the peer's peak is ${number(peerPeak / 2)} requests/s.`,
  ].join('\n');
}

function targetTable(figures: Figures, { starts }: BenchResults): string {
  const row = (target: Target) => [
    target.title,
    TITLES[target.system],
    `${target.is} ${target.bound} ${target.unit}`,
    `${number(target.reached)} ${target.unit}`,
    { true: 'yes', false: 'no', undefined: '–' }[String(isReached(target))] ?? '',
  ];
  return markdownTable([
    ['', 'of', 'to be', 'is', 'reached'],
    ...[...ratioTargets(figures), ...absoluteTargets(figures, starts)]
      .filter(({ reached }) => Number.isFinite(reached))
      .map(row),
  ]);
}

type Row = readonly [title: string, of: (system: SystemName) => number];

function mainTables(figures: Figures, { starts }: BenchResults): readonly string[] {
  const { figure, added, ofRounds } = figures;
  const systems = SYSTEM_NAMES.filter((name) => figures.has(name));
  const table = (unit: string, rows: readonly Row[]) =>
    markdownTable([
      [unit, ...systems.map((name) => TITLES[name])],
      ...rows
        .map(([title, of]) => ({ title, values: systems.map(of) }))
        .filter(({ values }) => values.some(Number.isFinite))
        .map(({ title, values }) => [title, ...values.map(number)]),
    ]);
  const isStream = (name: string) => name.startsWith('stream');
  const plain = SCENARIOS.filter(({ name }) => !isStream(name));
  const streams = SCENARIOS.filter(({ name }) => isStream(name));
  const atRate = SCENARIOS.filter(({ rate }) => rate !== undefined);
  const closed = plain.filter(({ rate }) => rate === undefined);
  const ofEmbedded =
    (values: readonly number[], unit = 1) =>
    (one: SystemName) =>
      one === 'embedded' ? median(values) / unit : Number.NaN;
  const variants = [
    ['traced, 1 % of requests', 'traced-1'],
    ['traced, all requests', 'traced-100'],
    ['100,000 keys (embedded: 40,000)', 'keys'],
  ] as const;
  return [
    table('CPU, µs a request', [
      ...plain.map(({ name, title }): Row => [title, (one) => figure(one, name, cpuPerRequest)]),
      ...variants.map(
        ([title, variant]): Row => [
          `plain, 16 connections, ${title}`,
          (one) => figure(one, 'plain-16', cpuPerRequest, variant),
        ],
      ),
    ]),
    table(
      'requests/s',
      closed.map(({ name, title }) => [title, (one) => figure(one, name, requestsPerSecond)]),
    ),
    table('latency, ms; added, but for no gateway', [
      ...atRate.flatMap(({ name, title }) =>
        (['p50', 'p95', 'p99'] as const).map(
          (which): Row => [
            `${title}, ${which}`,
            (one) =>
              one === 'direct' || name.startsWith('cache')
                ? figure(one, name, latency(which))
                : added(one, name, latency(which)),
          ],
        ),
      ),
      ...variants.map(
        ([title, variant]): Row => [
          `plain, 1 connection, 100 requests/s, p50, ${title}`,
          (one) => added(one, 'plain-1-open', latency('p50'), variant),
        ],
      ),
    ]),
    table(
      'streams',
      streams.flatMap(({ name, title }): Row[] => [
        [`${title}: CPU, µs a chunk`, (one) => figure(one, name, cpuPerChunk)],
        [`${title}: to the first chunk, p50, ms`, (one) => figure(one, name, firstChunk('p50'))],
        [`${title}: to the first chunk, p99, ms`, (one) => figure(one, name, firstChunk('p99'))],
        [`${title}: delay of a chunk, p50, ms`, (one) => figure(one, name, chunkDelay('p50'))],
        [`${title}: delay of a chunk, p99, ms`, (one) => figure(one, name, chunkDelay('p99'))],
      ]),
    ),
    table('at rest and under load', [
      ['second start, ms', ofEmbedded(starts?.readyAfterMs ?? [])],
      ['resident memory idle, second start, MiB', ofEmbedded(starts?.idleBytes ?? [], MEBIBYTE)],
      ['of it the database, MiB', ofEmbedded(starts?.databaseBytes ?? [], MEBIBYTE)],
      [
        'resident memory idle, first start, MiB',
        (one) => ofRounds(one, (r) => mebibytes(r.idleBytesByPart)),
      ],
      [
        'resident memory at 64 connections, MiB',
        (one) => figure(one, 'plain-64', (m) => mebibytes(m.residentBytesByPart)),
      ],
      ['CPU idle, ms a second', (one) => ofRounds(one, (r) => r.idleMicrosecondsPerSecond / 1_000)],
      [
        'driver, µs a request at 64 connections',
        (one) => figure(one, 'plain-64', ({ load }) => load.driverCpuMicroseconds / load.requests),
      ],
      [
        'upstream, µs a request at 64 connections',
        (one) => figure(one, 'plain-64', (m) => m.upstreamCpuMicroseconds / m.load.requests),
      ],
    ]),
  ];
}

function partTable(figures: Figures): string {
  const scenarios = ['plain-1', 'plain-16', 'plain-64', 'stream-paced'];
  const titles = scenarios.map((name) => SCENARIOS.find((one) => one.name === name)?.title ?? '');
  const byScenario = scenarios.map((name) => new Map(cpuOfParts(figures, 'stack', name, PARTS)));
  return markdownTable([
    ['µs a request', ...titles],
    ...PARTS.filter((part) => byScenario.some((parts) => parts.has(part))).map((part) => [
      part,
      ...byScenario.map((parts) => number(parts.get(part) ?? Number.NaN)),
    ]),
  ]);
}

/** What makes figures doubtful. */
function failures({ rounds }: BenchResults): readonly string[] {
  const doubts = rounds.flatMap(({ system, round, variant, measurements }) =>
    Object.entries(measurements).flatMap(([name, { load, isSettled }]) => {
      const where = `${system}, ${variant}, round ${round}, ${name}`;
      const { requests, failures, firstFailure, cacheHits } = load;
      const hitsExpected = name.startsWith('cache') ? requests : 0;
      return [
        ...(failures > 0 ? [`- ${where}: ${failures} requests failed (${firstFailure})`] : []),
        ...(cacheHits === hitsExpected ? [] : [`- ${where}: ${cacheHits} answers of the cache`]),
        ...(isSettled ? [] : [`- ${where}: still worked 20 s after the load`]),
      ];
    }),
  );
  return doubts.length === 0 ? [] : ['### Doubtful', doubts.join('\n')];
}
