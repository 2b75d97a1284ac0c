/** The table of `npm run bench:streams`. */
import type { Machine } from './machine.ts';
import { markdownTable, number } from './markdown-table.ts';
import type { StreamsResult } from './streams.ts';
import type { PartName } from './systems/system.ts';

const BYTES_PER_KILOBYTE = 1_000;
/** To be reached: of the ingress, for each stream. */
const INGRESS_BYTES_MAX = 40_000;

type Row = readonly [title: string, of: (result: StreamsResult) => string];

export function streamsReport(
  results: readonly StreamsResult[],
  machine: Machine,
  settings: string,
): string {
  const grown = (part: PartName) => (result: StreamsResult) =>
    number((result.grownBytesByPart[part] ?? Number.NaN) / result.streams / BYTES_PER_KILOBYTE);
  const ingressBytes = ({ grownBytesByPart, streams }: StreamsResult) =>
    (grownBytesByPart.ingress ?? Number.NaN) / streams;
  const rows: readonly Row[] = [
    ['chunks of a stream', ({ chunks }) => String(chunks)],
    ['ingress, KB a stream', grown('ingress')],
    ['to be 40 or less', (one) => (ingressBytes(one) <= INGRESS_BYTES_MAX ? 'yes' : 'no')],
    ['provider-worker, KB a stream', grown('provider-worker')],
    ['nats-server, KB a stream', grown('nats')],
    ['delay of a chunk, p50, ms', ({ load }) => number(load.chunkDelayMs.p50)],
    ['delay of a chunk, p99, ms', ({ load }) => number(load.chunkDelayMs.p99)],
    ['without the gateway, p99, ms', (one) => number(one.withoutGateway.chunkDelayMs.p99)],
    ['to the first chunk, p99, ms', ({ load }) => number(load.firstChunkMs.p99)],
    ['chunks received', ({ load }) => String(load.chunks)],
    ['streams that ended well', ({ load }) => String(load.requests)],
    ['streams that did not', ({ load }) => String(load.failures)],
    ['rows in the ledger', (one) => String(one.rows)],
    ['rows that say the answer is complete', (one) => String(one.completeRows)],
  ];
  const failures = results
    .filter(({ load }) => load.firstFailure !== undefined)
    .map(({ streams, load, errors }) => {
      const codes = errors.map(({ code, rows }) => `${rows} × ${code}`).join(', ');
      return `- ${streams} streams: ${load.firstFailure}; in the ledger ${codes || 'no error'}`;
    });
  return [
    `${machine.date}, on ${machine.processors}, ${machine.memory}, ${machine.kernel}, Node ` +
      `${machine.node}.\nThe load average before the run was ${number(machine.loadBefore)}. ` +
      `${settings}`,
    markdownTable([
      ['streams at once', ...results.map(({ streams }) => String(streams))],
      ...rows.map(([title, of]) => [title, ...results.map(of)]),
    ]),
    ...(failures.length > 0 ? [failures.join('\n')] : []),
  ].join('\n\n');
}
