/** The README's promises that the code can be asked about. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICES } from '@gateway/protocol';
import { repositoryRoot } from '@gateway/testing';
import { expect, test } from 'vitest';
import { namesRead, type ProcessName, READERS } from './settings-read.ts';

const readme = readFileSync(join(repositoryRoot, 'README.md'), 'utf8');

/** Rows such as: | `NAME` * | read by | default | meaning | */
function settingsTable() {
  return [...readme.matchAll(/^\| `([A-Z_]+)`( \*)? \| ([^|]+) \|/gm)].map(
    ([, name = '', mark, readers = '']) => ({
      name,
      isSecret: mark !== undefined,
      readers: readers.split(', '),
    }),
  );
}

/** The processes that read a name, as the table words them. */
function wordedReaders(name: string): readonly string[] {
  const processes = (Object.keys(READERS) as ProcessName[]).filter((process) =>
    namesRead(process).has(name),
  );
  const isEveryService = SERVICES.every((service) => processes.includes(service));
  const isEmbedded = processes.includes('all-in-one');
  const services = isEveryService
    ? [isEmbedded ? 'every process' : 'every service']
    : processes.filter((process) => SERVICES.some((service) => service === process));
  // What the services read the embedded gateway reads too; its own settings are said to be its.
  const own = services.length === 0 && isEmbedded ? ['all-in-one'] : [];
  const tools = processes.filter((process) => ['provision', 'stack'].includes(process));
  return [...services, ...own, ...tools];
}

test('the table of settings has every name that a process reads, its readers and its secrets', () => {
  const all = new Set(
    (Object.keys(READERS) as ProcessName[]).flatMap((name) => [...namesRead(name)]),
  );
  const names = [...all].filter((name) => !name.endsWith('_FILE') || name === 'LOG_FILE');
  const expected = names.map((name) => ({
    name,
    isSecret: all.has(`${name}_FILE`),
    readers: wordedReaders(name),
  }));
  const byName = (one: { name: string }, other: { name: string }) =>
    one.name.localeCompare(other.name);
  expect(settingsTable().sort(byName)).toEqual(expected.sort(byName));
});

test('every npm command that is mentioned exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  const mentioned = [...readme.matchAll(/npm (?:run )?([a-z]+)/g)].map(([, name]) => name);
  expect(mentioned).toEqual(expect.arrayContaining(['start', 'test', 'stack', 'simulator']));
  for (const name of mentioned) expect(scripts).toHaveProperty(name ?? '');
});

test('every link to a file leads to one', () => {
  const links = [...readme.matchAll(/\]\(([^)#:]+)[^)]*\)/g)].map(([, path]) => path ?? '');
  expect(links.length).toBeGreaterThan(3);
  expect(links.filter((path) => !existsSync(join(repositoryRoot, path)))).toEqual([]);
});
