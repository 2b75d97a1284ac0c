import { test } from 'vitest';
import { findMembers } from './find-members.ts';
import { scanJsonObject } from './scan-json.ts';

const MEGABYTE = 1024 * 1024;

function promptOf(line: string): Buffer {
  const content = line.repeat(MEGABYTE / line.length);
  return Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }], model: 'm' }));
}

const prose = promptOf(`${'Words of a long prompt. '.repeat(20)}He said "yes".\n`);
const quotes = promptOf('A line with "quotes" in it, as code has.\n');

test('a model behind a prompt of a megabyte', async ({ bench }) => {
  await bench.compare(
    bench('found behind prose', () => {
      findMembers(prose, ['model']);
    }),
    bench('found behind many quotes', () => {
      findMembers(quotes, ['model']);
    }),
    bench('found by checking the grammar', () => {
      scanJsonObject(prose);
    }),
  );
});
