/** `npm run torture`: see docs/torture.md. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { judgeAgain, torture } from './torture.ts';

const USAGE_EXIT_CODE = 64;
const MINUTES_MAX = 24 * 60;
const MINUTE_MS = 60_000;

const help = `Usage: npm run torture -- [--seed N] [--minutes 5] [--requests N]
         [--clients 48] [--rate 300] [--faults 2] [--gap-ms 2500] [--directory DIR]

Runs two of each service on real NATS, Redis and PostgreSQL, asks them all kinds of requests, kills
and breaks every part as the seed says, and checks that nothing was lost, counted twice or made up.

  --seed        what requests and faults follow from; default one at random, which is printed
  --minutes     how long; fractions are allowed
  --requests    ends earlier, after so many
  --clients     how many ask at a time
  --rate        requests in a second, all clients together
  --faults      faults at a time; 0 for none
  --gap-ms      mean time from one fault to the next
  --directory   where journal, ledger of the provider and report are written; default a new one
  --judge       runs nothing, and judges the history.bin of an earlier run again
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '5' },
    requests: { type: 'string', default: String(Number.MAX_SAFE_INTEGER) },
    clients: { type: 'string', default: '48' },
    rate: { type: 'string', default: '300' },
    faults: { type: 'string', default: '2' },
    'gap-ms': { type: 'string', default: '2500' },
    directory: { type: 'string' },
    judge: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function wholeNumber(name: Exclude<keyof typeof values, 'help' | 'directory' | 'judge'>): number {
  const text = values[name] ?? '';
  if (!/^\d{1,16}$/.test(text)) throw new RangeError(`--${name} must be a whole number`);
  return Number(text);
}

function minutes(): number {
  const number = Number(values.minutes);
  if (number > 0 && number <= MINUTES_MAX) return number;
  throw new RangeError(`--minutes must be above 0 and at most ${MINUTES_MAX}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function options() {
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : wholeNumber('seed');
  const length = values.requests.length < 16 ? ` --requests ${values.requests}` : '';
  return {
    seed,
    durationMs: minutes() * MINUTE_MS,
    requestsMax: wholeNumber('requests'),
    clients: Math.max(1, wholeNumber('clients')),
    rate: Math.max(1, wholeNumber('rate')),
    faultsAtOnce: wholeNumber('faults'),
    faultGapMs: Math.max(1, wholeNumber('gap-ms')),
    directory: values.directory ?? mkdtempSync(join(tmpdir(), 'gateway-torture-')),
    command:
      `npm run torture -- --seed ${seed} --minutes ${values.minutes}${length}` +
      ` --clients ${values.clients} --rate ${values.rate} --faults ${values.faults}` +
      ` --gap-ms ${values['gap-ms']}`,
    print,
  };
}

if (values.help) {
  process.stdout.write(help);
} else {
  try {
    const { judge } = values;
    const report = await (judge === undefined ? torture(options()) : judgeAgain(judge, print));
    process.exitCode = report.passed ? 0 : 1;
  } catch (error) {
    const isUsage = error instanceof RangeError;
    process.stderr.write(`${isUsage ? error.message : (error as Error).stack}\n`);
    process.exitCode = isUsage ? USAGE_EXIT_CODE : 1;
  }
}
