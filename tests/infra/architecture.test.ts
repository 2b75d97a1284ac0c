/** ARCHITECTURE.md leads a newcomer through files, so each that it names must be there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { subjects } from '@gateway/protocol';
import { repositoryRoot } from '@gateway/testing';
import { expect, test } from 'vitest';

const architecture = readFileSync(join(repositoryRoot, 'ARCHITECTURE.md'), 'utf8');

const files = ['services', 'libs', 'infra'].flatMap((directory) =>
  readdirSync(join(repositoryRoot, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name).slice(repositoryRoot.length)),
);

test('every file that it names exists', () => {
  const named = [...architecture.matchAll(/`([a-z0-9/-]+\.(?:ts|lua|sql|conf))`/g)];
  const names = [...new Set(named.map(([, name = '']) => name))];
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !files.some((file) => file.endsWith(`/${name}`)))).toEqual([]);
});

test('its table of subjects is that of the code', () => {
  const table = [...architecture.matchAll(/^\| `(gateway\.v\d\.[^`]+)` \|/gm)].map(
    ([, one]) => one,
  );
  const reply = {
    ingress: '<ingress>',
    request: '<request>',
    attempt: '<attempt>' as unknown as number,
    leg: '<leg>' as 'frames',
  };
  const expected: Record<
    Exclude<keyof typeof subjects, `${'replie' | 'hop' | 'inboxe'}s`>,
    string
  > = {
    reserve: subjects.reserve,
    releaseSlots: subjects.releaseSlots,
    renewSlots: subjects.renewSlots,
    cacheLookup: subjects.cacheLookup,
    cacheStore: subjects.cacheStore,
    auditQuery: subjects.auditQuery,
    inference: subjects.inference('<provider>'),
    models: subjects.models('<provider>'),
    keptResponses: subjects.keptResponses('<provider>'),
    event: subjects.event('<kind>' as 'received'),
    quarantine: subjects.quarantine('<consumer>'),
    reply: subjects.reply(reply),
    control: subjects.control('<worker>'),
    hop: subjects.hop('<worker>', '<ingress>', '<request>', reply.attempt),
    body: subjects.body('<ingress>'),
    inbox: subjects.inbox('<service>' as 'cache', '<instance>', '<request>'),
  };
  expect(table.sort()).toEqual(Object.values(expected).sort());
});
