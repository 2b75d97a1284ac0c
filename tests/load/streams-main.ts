/** `npm run bench:streams`: see docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '@gateway/testing';
import { runCommand, wholeNumber } from './command.ts';
import { describeMachine } from './machine.ts';
import { requireOpenFiles } from './open-files.ts';
import { inRun } from './run.ts';
import { measureStreams, type StreamsResult, withUpstream } from './streams.ts';
import { streamsReport } from './streams-report.ts';
import { writeSection } from './write-section.ts';

const STREAMS_MAX = 10_000;
const ALL = '1000,5000,10000';
/** So that few streams run for some time, too. */
const CHUNKS_MIN = 15;
const CHUNKS_MAX = 1_000;

const help = `Usage: npm run bench:streams -- [--streams ${ALL}] [--chunks COUNT]
         [--interval-ms 2000] [--rate 200] [--output .data/bench-streams.json] [--document]

Opens slow streams through the stack and keeps them open: memory for each, delay of chunks, drops,
and one row of the ledger for each.

  --streams      how many at once, one run for each number; at most ${STREAMS_MAX}
  --chunks       of a stream; as many as all are open at once for without it
  --interval-ms  between two chunks of a stream
  --rate         streams opened in a second
  --output       where the figures go as JSON
  --document     writes the table to docs/performance.md; a run of all numbers does that by itself
`;

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: ALL },
    chunks: { type: 'string' },
    'interval-ms': { type: 'string', default: '2000' },
    rate: { type: 'string', default: '200' },
    output: { type: 'string', default: join('.data', 'bench-streams.json') },
    document: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  const counts = values.streams.split(',').map((text) => wholeNumber(text, STREAMS_MAX));
  const intervalMs = wholeNumber(values['interval-ms'], 60_000);
  const opensPerSecond = wholeNumber(values.rate, 10_000);
  requireOpenFiles(Math.max(...counts));
  const machine = describeMachine();
  const results = await inRun((run) =>
    withUpstream(async (upstreamPort) => {
      const done: StreamsResult[] = [];
      for (const streams of counts) {
        process.stdout.write(`${streams} streams\n`);
        const chunks = chunksOf(streams, { intervalMs, opensPerSecond });
        const options = { streams, chunks, intervalMs, opensPerSecond, upstreamPort };
        done.push(await measureStreams(options, run));
      }
      return done;
    }),
  );
  const output = resolve(repositoryRoot, values.output);
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `${JSON.stringify({ machine, results }, undefined, 1)}\n`);
  const settings =
    `A stream has a chunk\nevery ${intervalMs} ms; ` + `${opensPerSecond} were opened in a second.`;
  const table = streamsReport(results, machine, settings);
  process.stdout.write(`\n${table}\n\nThe figures are in ${output}.\n`);
  const isWhole = values.streams === ALL;
  if (isWhole || values.document) {
    writeSection(join(repositoryRoot, 'docs/performance.md'), 'bench:streams', table);
  }
  const isExact = results.every(
    ({ streams, load, completeRows, rows }) =>
      load.requests === streams && rows === streams && completeRows === streams,
  );
  process.exitCode = isExact ? 0 : 1;
}

/** All are open at once for a third of the time of a stream at least. */
function chunksOf(
  streams: number,
  { intervalMs, opensPerSecond }: { readonly intervalMs: number; readonly opensPerSecond: number },
): number {
  if (values.chunks !== undefined) return wholeNumber(values.chunks, CHUNKS_MAX);
  const openingMs = (streams / opensPerSecond) * 1_000;
  return Math.max(CHUNKS_MIN, Math.ceil((1.5 * openingMs) / intervalMs));
}

if (values.help) process.stdout.write(help);
else await runCommand(main);
