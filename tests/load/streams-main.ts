/** `npm run bench:streams`: see docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '@gateway/testing';
import { describeMachine } from './machine.ts';
import { measureStreams, type StreamsResult, withUpstream } from './streams.ts';
import { streamsReport } from './streams-report.ts';
import { writeSection } from './write-section.ts';

const USAGE_EXIT_CODE = 64;
const STREAMS_MAX = 10_000;
const ALL = '1000,2500,5000,10000';

const help = `Usage: npm run bench:streams -- [--streams ${ALL}] [--chunks 30]
         [--interval-ms 2000] [--rate 200] [--output .data/bench-streams.json] [--document]

Opens slow streams through the stack and keeps them open: memory for each, delay of chunks, drops,
and one row of the ledger for each.

  --streams      how many at once, one run for each number; at most ${STREAMS_MAX}
  --chunks       of a stream
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

function wholeNumber(text: string, max: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw new RangeError(`${text} is no whole number from 1 to ${max}`);
}

async function main(): Promise<void> {
  const counts = values.streams.split(',').map((text) => wholeNumber(text, STREAMS_MAX));
  const intervalMs = wholeNumber(values['interval-ms'], 60_000);
  const opensPerSecond = wholeNumber(values.rate, 10_000);
  // All are open at once for a third of the time of a stream at least.
  const opening = (Math.max(...counts) / opensPerSecond) * 1_000;
  const chunks = wholeNumber(
    values.chunks ?? String(Math.ceil((1.5 * opening) / intervalMs)),
    1_000,
  );
  const machine = describeMachine();
  const results = await withUpstream(async (upstreamPort) => {
    const done: StreamsResult[] = [];
    for (const streams of counts) {
      process.stdout.write(`${streams} streams\n`);
      const options = { streams, chunks, intervalMs, opensPerSecond, upstreamPort };
      done.push(await measureStreams(options));
    }
    return done;
  });
  const output = resolve(repositoryRoot, values.output);
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, `${JSON.stringify({ machine, results }, undefined, 1)}\n`);
  const settings =
    `Each stream has ${chunks} chunks,\none every ${intervalMs} ms; ` +
    `${opensPerSecond} were opened in a second.`;
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

if (values.help) {
  process.stdout.write(help);
} else {
  try {
    await main();
  } catch (error) {
    const isUsage = error instanceof RangeError;
    process.stderr.write(`${isUsage ? error.message : (error as Error).stack}\n`);
    process.exitCode = isUsage ? USAGE_EXIT_CODE : 1;
  }
}
