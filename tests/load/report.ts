/** The tables that are printed and written to `docs/performance.md`. */
import type { BenchResults } from './bench.ts';
import { doubts } from './doubts.ts';
import {
  chunkDelay,
  cpuOfEach,
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
import { SYSTEM_NAMES, type SystemName } from './systems/system.ts';
import { absoluteTargets, isReached, ratioTargets, type Target } from './targets.ts';

const TITLES: Readonly<Record<SystemName, string>> = {
  direct: 'no gateway',
  bare: 'bare proxy',
  'bare-bus': 'bare bus',
  embedded: 'embedded',
  stack: 'stack',
  'stack-synced': 'stack, synced',
  portkey: 'Portkey',
};
const VARIANTS = [
  ['traced, 1 % of requests', 'traced-1'],
  ['traced, all requests', 'traced-100'],
  ['100,000 keys', 'keys'],
] as const;
const MEBIBYTE = 1024 ** 2;

export function report(results: BenchResults, machine: Machine): string {
  const figures = figuresOf(results);
  const doubtful = doubts(results);
  return [
    machineText(results, machine),
    ...section('To be reached, and reached', [targetTable(targetsOf(results))]),
    ...section('Everything', mainTables(figures, results)),
    ...section('Where the CPU of each part goes', partTables(results)),
    ...section('Doubtful', [doubtful.map((doubt) => `- ${doubt}`).join('\n')]),
  ].join('\n\n');
}

/** Those that were measured. */
export function targetsOf(results: BenchResults): readonly Target[] {
  const figures = figuresOf(results);
  const all = [...ratioTargets(figures), ...absoluteTargets(figures, results.starts)];
  return all.filter(({ reached }) => Number.isFinite(reached));
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
    `${machine.date}, medians of up to ${count} rounds, on ${machine.processors}, ${machine.memory},`,
    `${machine.kernel}, Node ${machine.node}. A write synced to the disk took`,
    `${number(machine.syncMs)} ms. The load average before the run was`,
    `${number(machine.loadBefore)}, and other processes kept ${number(median(foreign))} processors busy`,
    `meanwhile (${number(Math.max(0, ...foreign))} at most). Half of the peer's peak is ${number(peerPeak / 2)} requests/s.`,
  ].join('\n');
}

function targetTable(targets: readonly Target[]): string {
  const row = (target: Target) => {
    const { title, system, is, bound, boundUnit, measured, peer, unit, reached } = target;
    return [
      title,
      TITLES[system],
      `${number(measured)} ${unit}`,
      Number.isFinite(peer) ? `${number(peer)} ${unit}` : '–',
      boundUnit === '×' ? `${number(reached)} ×` : '–',
      `${is} ${bound} ${boundUnit}`,
      isReached(target) ? 'yes' : 'no',
    ];
  };
  const head = ['', 'of', 'is', 'Portkey', 'ratio', 'to be', 'reached'];
  return markdownTable([head, ...targets.map(row)]);
}

type Row = readonly [title: string, of: (system: SystemName) => number];

function mainTables(figures: Figures, results: BenchResults): readonly string[] {
  const systems = SYSTEM_NAMES.filter((name) => figures.has(name));
  const table = (unit: string, rows: readonly Row[]) =>
    markdownTable([
      [unit, ...systems.map((name) => TITLES[name])],
      ...rows
        .map(([title, of]) => ({ title, values: systems.map(of) }))
        .filter(({ values }) => values.some(Number.isFinite))
        .map(({ title, values }) => [title, ...values.map(number)]),
    ]);
  return [
    table('CPU, µs a request', cpuRows(figures)),
    table('requests/s', peakRows(figures)),
    table('latency, ms; added, but for no gateway', latencyRows(figures)),
    table('streams; latency added, but for no gateway', streamRows(figures)),
    table('at rest and under load', restRows(figures, results)),
  ];
}

const isStream = ({ name }: { readonly name: string }) => name.startsWith('stream');

function cpuRows({ figure, changed }: Figures): readonly Row[] {
  return [
    ...SCENARIOS.filter((one) => !isStream(one)).map(
      ({ name, title }): Row => [title, (one) => figure(one, name, cpuPerRequest)],
    ),
    ...VARIANTS.flatMap(([title, variant]): Row[] => [
      [`plain, 16 connections, ${title}`, (one) => figure(one, 'plain-16', cpuPerRequest, variant)],
      [
        'more than in the same round without',
        (one) => {
          const { from, to } = changed(one, 'plain-16', cpuPerRequest, variant);
          return to - from;
        },
      ],
    ]),
  ];
}

function peakRows({ figure }: Figures): readonly Row[] {
  return SCENARIOS.filter((one) => !isStream(one) && one.rate === undefined).map(
    ({ name, title }) => [title, (one) => figure(one, name, requestsPerSecond)],
  );
}

function latencyRows({ figure, added }: Figures): readonly Row[] {
  const isAnsweredByUs = (name: string) => name.startsWith('cache');
  return [
    ...SCENARIOS.filter((one) => !isStream(one) && one.rate !== undefined).flatMap(
      ({ name, title }) =>
        (['p50', 'p95', 'p99'] as const).map(
          (which): Row => [
            isAnsweredByUs(name) ? `${title}, ${which}, in all` : `${title}, ${which}`,
            (one) =>
              one === 'direct' || isAnsweredByUs(name)
                ? figure(one, name, latency(which))
                : added(one, name, latency(which)),
          ],
        ),
    ),
    ...VARIANTS.map(
      ([title, variant]): Row => [
        `plain, 1 connection, 100 requests/s, p50, ${title}`,
        (one) => added(one, 'plain-1-open', latency('p50'), variant),
      ],
    ),
  ];
}

function streamRows({ figure, added }: Figures): readonly Row[] {
  return SCENARIOS.filter(isStream).flatMap(({ name, title, rate }): Row[] => {
    const cpu: Row = [`${title}: CPU, µs a chunk`, (one) => figure(one, name, cpuPerChunk)];
    // Latency is that of a load at a rate.
    if (rate === undefined) return [cpu];
    const picks = [
      ['to the first chunk', firstChunk],
      ['delay of a chunk', chunkDelay],
    ] as const;
    return [
      cpu,
      ...picks.flatMap(([what, of]) =>
        (['p50', 'p95', 'p99'] as const).map(
          (which): Row => [
            `${title}: ${what}, ${which}, ms`,
            (one) => (one === 'direct' ? figure : added)(one, name, of(which)),
          ],
        ),
      ),
    ];
  });
}

function restRows({ figure, ofRounds }: Figures, { starts }: BenchResults): readonly Row[] {
  const ofEmbedded =
    (values: readonly number[], unit = 1) =>
    (one: SystemName) =>
      one === 'embedded' ? median(values) / unit : Number.NaN;
  const isGateway = (one: SystemName) => one !== 'direct';
  return [
    ['second start, ms', ofEmbedded(starts?.readyAfterMs ?? [])],
    ['resident memory idle, second start, MiB', ofEmbedded(starts?.idleBytes ?? [], MEBIBYTE)],
    ['of it the database, MiB', ofEmbedded(starts?.databaseBytes ?? [], MEBIBYTE)],
    [
      'resident memory idle, first start, MiB',
      (one) => (isGateway(one) ? ofRounds(one, (r) => mebibytes(r.idleBytesByPart)) : Number.NaN),
    ],
    [
      'resident memory at 64 connections, MiB',
      (one) =>
        isGateway(one)
          ? figure(one, 'plain-64', (m) => mebibytes(m.residentBytesByPart))
          : Number.NaN,
    ],
    [
      'CPU idle, ms a second',
      (one) =>
        isGateway(one) ? ofRounds(one, (r) => r.idleMicrosecondsPerSecond / 1_000) : Number.NaN,
    ],
    [
      'driver, µs a request at 64 connections',
      (one) => figure(one, 'plain-64', ({ load }) => load.driverCpuMicroseconds / load.requests),
    ],
    [
      'upstream, µs a request at 64 connections',
      (one) => figure(one, 'plain-64', (m) => m.upstreamCpuMicroseconds / m.load.requests),
    ],
  ];
}

const SPLIT_SCENARIOS = ['plain-1', 'plain-16', 'plain-64', 'stream-paced'] as const;
/** Threads that use less than this of a request are left out, in microseconds. */
const SHOWN_MIN = 0.5;

/** Of the processes of the stack, and of the threads of the systems that are one process. */
function partTables(results: BenchResults): readonly string[] {
  const table = (
    system: SystemName,
    of: Parameters<typeof cpuOfEach>[3],
    title: (system: string) => string,
  ) => {
    const columns = SPLIT_SCENARIOS.map((name) => ({
      title: SCENARIOS.find((one) => one.name === name)?.title ?? '',
      times: cpuOfEach(results, system, name, of),
    })).filter(({ times }) => times.size > 0);
    const names = [...(columns.find(({ times }) => times.size > 0)?.times.keys() ?? [])];
    const rows = names
      .map((name) => columns.map(({ times }) => times.get(name) ?? Number.NaN))
      .map((values, index) => ({ name: names[index] ?? '', values }))
      .filter(({ values }) => values.some((value) => value >= SHOWN_MIN));
    return markdownTable([
      [title(TITLES[system]), ...columns.map((column) => column.title)],
      ...rows.map(({ name, values }) => [name, ...values.map(number)]),
    ]);
  };
  return [
    table('stack', 'cpuMicrosecondsByPart', (name) => `${name}, µs a request, by process`),
    table('stack-synced', 'cpuMicrosecondsByPart', (name) => `${name}, µs a request, by process`),
    table('embedded', 'cpuMicrosecondsByThread', (name) => `${name}, µs a request, by thread`),
    table('portkey', 'cpuMicrosecondsByThread', (name) => `${name}, µs a request, by thread`),
  ];
}
