/** The loads that every system is put under, one after the other. */
import { COUNTER, type Load } from './load.ts';
import type { RunningSystem, SystemName } from './systems/system.ts';

export const PIECES = [
  'plain',
  'prompts',
  'streams',
  'cache',
  'refusals',
  'tracing',
  'keys',
  'start',
] as const;

export type Piece = (typeof PIECES)[number];

export interface Scenario {
  readonly name: string;
  /** Of the table. */
  readonly title: string;
  readonly piece: Piece;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Open loop at this rate; closed without it. */
  readonly rate?: number | 'half of the peak of the peer';
  /** Systems that can do it; all without it. */
  readonly systems?: readonly SystemName[];
  readonly isRefused?: true;
  /** What is asked first, so that it is stored. */
  readonly isPrimed?: true;
}

export const STREAM_CHUNKS = 100;
const STREAM_INTERVAL_MS = 5;
const KIBIBYTE = 1_024;
/** So that requests at a rate wait for nothing but the gateway. */
const CONNECTIONS_AT_RATE = 256;
const OURS = ['embedded', 'stack', 'stack-synced'] as const;

interface Asked {
  readonly model?: string;
  readonly promptBytes?: number;
  readonly stream?: true;
  /** Whether each request asks something else. Default true. */
  readonly isUnique?: boolean;
  /** 0 asks the cache; without it there is nothing that the cache could know. */
  readonly temperature?: 0;
}

function chat({ model = 'gpt-bench', promptBytes, isUnique = true, ...asked }: Asked): string {
  // The number stands in every body, since the driver writes it; where the requests are to be the
  // same for the cache, in a field that is none of its business.
  const filling = 'All work and no play makes a dull prompt. '
    .repeat(Math.ceil((promptBytes ?? KIBIBYTE) / 42))
    .slice(0, promptBytes ?? KIBIBYTE);
  return JSON.stringify({
    model,
    ...(asked.stream && { stream: true }),
    ...(asked.temperature !== undefined && { temperature: asked.temperature }),
    ...(isUnique ? {} : { user: COUNTER }),
    messages: [{ role: 'user', content: isUnique ? `${COUNTER} ${filling}` : filling }],
  });
}

const plain = { piece: 'plain', body: chat({ temperature: 0 }) } as const;
const burst = `gpt-bench-stream-${STREAM_CHUNKS}x0`;
const paced = `gpt-bench-stream-${STREAM_CHUNKS}x${STREAM_INTERVAL_MS}`;

/** In the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [
  { ...plain, name: 'plain-1', title: 'plain, 1 connection', connections: 1, seconds: 2 },
  { ...plain, name: 'plain-16', title: 'plain, 16 connections', connections: 16, seconds: 3 },
  { ...plain, name: 'plain-64', title: 'plain, 64 connections', connections: 64, seconds: 3 },
  {
    ...plain,
    name: 'plain-1-open',
    title: 'plain, 1 connection, 100 requests/s',
    connections: 1,
    seconds: 4,
    rate: 100,
  },
  {
    ...plain,
    name: 'half-peak',
    title: "plain, at half of the peer's peak",
    connections: CONNECTIONS_AT_RATE,
    // In 4 s a single collection of garbage decides the 99th percentile.
    seconds: 12,
    rate: 'half of the peak of the peer',
  },
  {
    name: 'prompt-1',
    title: 'prompt of 1 KiB, 50 requests/s',
    piece: 'prompts',
    body: chat({}),
    connections: 4,
    seconds: 2,
    rate: 50,
  },
  {
    name: 'prompt-64',
    title: 'prompt of 64 KiB, 50 requests/s',
    piece: 'prompts',
    body: chat({ promptBytes: 64 * KIBIBYTE }),
    connections: 4,
    seconds: 2,
    rate: 50,
  },
  {
    name: 'prompt-1024',
    title: 'prompt of 1 MiB, 20 requests/s',
    piece: 'prompts',
    body: chat({ promptBytes: KIBIBYTE * KIBIBYTE }),
    connections: 4,
    seconds: 3,
    rate: 20,
  },
  {
    name: 'stream-paced',
    title: `streams of ${STREAM_CHUNKS} chunks, one each ${STREAM_INTERVAL_MS} ms, 30 streams/s`,
    piece: 'streams',
    body: chat({ model: paced, stream: true }),
    connections: CONNECTIONS_AT_RATE,
    seconds: 4,
    rate: 30,
  },
  {
    name: 'stream-burst',
    title: `streams of ${STREAM_CHUNKS} chunks at once, 8 at a time`,
    piece: 'streams',
    body: chat({ model: burst, stream: true }),
    connections: 8,
    seconds: 2,
  },
  {
    name: 'cache-hit',
    title: 'cache hits, 1 connection, 100 requests/s',
    piece: 'cache',
    body: chat({ isUnique: false, temperature: 0 }),
    connections: 1,
    seconds: 3,
    rate: 100,
    systems: OURS,
    isPrimed: true,
  },
  {
    name: 'cache-hit-16',
    title: 'cache hits, 16 connections',
    piece: 'cache',
    body: chat({ isUnique: false, temperature: 0 }),
    connections: 16,
    seconds: 2,
    systems: OURS,
    isPrimed: true,
  },
  {
    name: 'refused',
    title: 'refused by a limit, 16 connections',
    piece: 'refusals',
    body: chat({}),
    connections: 16,
    seconds: 2,
    systems: OURS,
    isRefused: true,
  },
];

/**
 * Counted, not timed: compilers look at how often a function ran. The CPU of a request falls until
 * about the 12,000th with Portkey's gateway, and the 25,000th with ours; all get as many.
 */
export const WARM_UP_REQUESTS = 30_000;
const WARM_UP = [
  { body: chat({ temperature: 0 }), connections: 32, requestsMax: WARM_UP_REQUESTS },
  { body: chat({ model: paced, stream: true }), connections: 32, requestsMax: 64 },
  { body: chat({ model: burst, stream: true }), connections: 8, requestsMax: 200 },
];
/** A machine that is busy with other things may not get through in time. */
const WARM_UP_MS_MAX = 30_000;

/** Those of streams only where streams are measured. */
export function warmUpLoads(
  { port, path, headers }: RunningSystem,
  scenarios: readonly Scenario[],
): readonly Load[] {
  const hasStreams = scenarios.some(({ piece }) => piece === 'streams');
  return WARM_UP.filter((_, index) => index === 0 || hasStreams).map((load) => ({
    ...load,
    port,
    path,
    headers,
    expectedStatus: 200,
    durationMs: WARM_UP_MS_MAX,
  }));
}

export function loadOf(
  scenario: Scenario,
  system: RunningSystem,
  { timeFactor, peerPeak }: { readonly timeFactor: number; readonly peerPeak: number },
): Load {
  const { rate, isRefused } = scenario;
  const headers = isRefused ? (system.refusedHeaders ?? {}) : system.headers;
  const ratePerSecond = typeof rate === 'string' ? peerPeak / 2 : rate;
  return {
    port: system.port,
    path: system.path,
    headers,
    body: scenario.body,
    expectedStatus: isRefused ? 429 : 200,
    connections: scenario.connections,
    durationMs: scenario.seconds * 1_000 * timeFactor,
    ...(ratePerSecond !== undefined && { ratePerSecond }),
  };
}
