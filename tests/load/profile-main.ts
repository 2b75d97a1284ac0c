/**
 * Says where the CPU of a request goes, from the profiles of `npm run bench -- --profile DIR`:
 *
 *   node tests/load/profile-main.ts DIR [--scenario plain-16] [--lines 30]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand, wholeNumber } from './command.ts';
import { profileReport, RUN_FILE } from './profile-report.ts';
import { SCENARIOS } from './scenarios.ts';

const LINES_MAX = 10_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scenario: { type: 'string', default: 'plain-16' },
    lines: { type: 'string', default: '30' },
  },
});

await runCommand(async () => {
  const [directory] = positionals;
  if (directory === undefined) throw new RangeError('the directory of the profiles is missing');
  const { scenario } = values;
  if (!SCENARIOS.some(({ name }) => name === scenario)) {
    const names = SCENARIOS.map(({ name }) => name).join(', ');
    throw new RangeError(`--scenario: there is no ${scenario}, but ${names}`);
  }
  const results = JSON.parse(readFileSync(join(directory, RUN_FILE), 'utf8'));
  const files = readdirSync(directory).map((name) => ({
    name,
    read: () => JSON.parse(readFileSync(join(directory, name), 'utf8')),
  }));
  const lines = wholeNumber(values.lines, LINES_MAX);
  const text = profileReport(results, files, { scenario, lines });
  process.stdout.write(text === '' ? `No profile of ${scenario} is there.\n` : `${text}\n`);
});
