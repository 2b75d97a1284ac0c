/** `npm run bench`: see docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '@gateway/testing';
import { type BenchOptions, runBench } from './bench.ts';
import { runCommand, wholeNumber } from './command.ts';
import { describeMachine } from './machine.ts';
import { RUN_FILE } from './profile-report.ts';
import { report, targetsOf } from './report.ts';
import { inRun } from './run.ts';
import { PIECES } from './scenarios.ts';
import { SYSTEM_NAMES } from './systems/system.ts';
import { writeSection } from './write-section.ts';

const ROUNDS_MAX = 20;
const ROUNDS = 3;
const QUICK_TIME_FACTOR = 0.4;

const help = `Usage: npm run bench -- [--quick] [--rounds ${ROUNDS}] [--systems A,B] [--pieces A,B]
         [--output .data/bench.json] [--document] [--profile DIR]

Measures the embedded gateway and the stack beside Portkey's gateway and bare proxies: CPU, latency,
peak, memory. Nothing else should run on the machine. Everything takes about 24 minutes, --quick
about 4.

  --quick      one short round of the loads, without tracing, keys, starts, the synced stack
               and the bare bus
  --rounds     how often each system is measured; the table has the medians
  --systems    of ${SYSTEM_NAMES.join(', ')}
  --pieces     of ${PIECES.join(', ')}
  --output     where the figures go as JSON
  --document   writes the tables to docs/performance.md; a run of everything does that by itself
  --profile    where each Node process of ours leaves a CPU profile when it ends;
               node tests/load/profile-main.ts DIR reads them
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    systems: { type: 'string' },
    pieces: { type: 'string' },
    output: { type: 'string', default: join('.data', 'bench.json') },
    document: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function chosen<Name extends string>(
  option: 'systems' | 'pieces',
  all: readonly Name[],
  quick: readonly Name[],
): readonly Name[] {
  const names = values[option]?.split(',');
  const unknown = names?.find((name) => !all.some((one) => one === name));
  if (unknown !== undefined) throw new RangeError(`--${option}: there is no ${unknown}`);
  if (names === undefined) return values.quick ? quick : all;
  return all.filter((name) => names.includes(name));
}

function options(): BenchOptions {
  return {
    rounds: wholeNumber(values.rounds ?? String(values.quick ? 1 : ROUNDS), ROUNDS_MAX),
    systems: chosen('systems', SYSTEM_NAMES, ['direct', 'bare', 'embedded', 'stack', 'portkey']),
    pieces: chosen('pieces', PIECES, ['plain', 'prompts', 'streams', 'cache', 'refusals']),
    timeFactor: values.quick ? QUICK_TIME_FACTOR : 1,
    profileDirectory: values.profile && resolve(repositoryRoot, values.profile),
    print: (text) => void process.stdout.write(`${text}\n`),
  };
}

async function main(): Promise<void> {
  const chosenOptions = options();
  const machine = describeMachine();
  const results = await inRun((run) => runBench(chosenOptions, run));
  const output = resolve(repositoryRoot, values.output);
  mkdirSync(dirname(output), { recursive: true });
  const targets = targetsOf(results);
  const text = `${JSON.stringify({ machine, targets, ...results }, undefined, 1)}\n`;
  writeFileSync(output, text);
  const { profileDirectory } = chosenOptions;
  if (profileDirectory !== undefined) writeFileSync(join(profileDirectory, RUN_FILE), text);
  const tables = report(results, machine);
  process.stdout.write(`\n${tables}\n\nThe figures of every round are in ${output}.\n`);
  const { systems, pieces, rounds } = chosenOptions;
  const isWhole =
    !values.quick &&
    rounds >= ROUNDS &&
    systems.length === SYSTEM_NAMES.length &&
    pieces.length === PIECES.length;
  if (isWhole || values.document) {
    writeSection(join(repositoryRoot, 'docs/performance.md'), 'bench', tables);
  }
}

if (values.help) process.stdout.write(help);
else await runCommand(main);
