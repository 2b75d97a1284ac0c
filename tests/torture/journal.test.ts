import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answeredStory } from './checks/good-history.ts';
import type { JournalEntry } from './history.ts';
import { Journal, readJsonLines } from './journal.ts';

test('a line is in the file as soon as it was appended, and no line is lost or twice there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-journal-'));
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rm(directory, { recursive: true }));
  const path = join(directory, 'journal.jsonl');
  const journal = resources.use(await Journal.create(path));
  const entries = Array.from({ length: 300 }, (_, index) => answeredStory(index).entry);
  await Promise.all(entries.map((entry) => journal.append(entry)));
  expect(await readJsonLines<JournalEntry>(path)).toEqual(entries);
  const last = answeredStory(300).entry;
  await journal.append(last);
  expect((await readJsonLines<JournalEntry>(path)).at(-1)).toEqual(last);
});

test('a journal of before is not written over', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-journal-'));
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rm(directory, { recursive: true }));
  const path = join(directory, 'journal.jsonl');
  resources.use(await Journal.create(path));
  await expect(Journal.create(path)).rejects.toThrow('EEXIST');
});
