import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/calls/clock.ts';
import { SILENT } from '../src/log/durable-log.ts';
import { DAMAGED_DIRECTORY, isSegment } from '../src/log/log-segment.ts';
import { REFUSED_EVENTS_MAX, RefusedEvents } from '../src/spool/refused-events.ts';
import { SpoolDirectory } from '../src/spool/spool-directory.ts';
import { REFUSALS_MAX, type ReplayPort, SpoolReplay } from '../src/spool/spool-replay.ts';
import { logMessage, temporaryDirectory } from './in-process-fixture.ts';

/** A spool with these events, whose replay goes to the port. */
async function replaying(ids: readonly string[], port: ReplayPort) {
  const directory = await temporaryDirectory();
  const path = join(directory, 'instance');
  const options = { path, bytesMax: 1024 * 1024, clock: systemClock, logger: SILENT };
  const spool = await SpoolDirectory.create(options);
  for (const id of ids) await spool.append(logMessage(id));
  const refused = join(directory, 'refused');
  const replay = new SpoolReplay({
    port,
    sources: () => [spool],
    refused: new RefusedEvents(refused),
    clock: systemClock,
    logger: SILENT,
    replayed: () => {},
  });
  onTestFinished(async () => {
    await replay.stop();
    await spool.close();
  });
  return { spool, refused };
}

test('puts an event aside that fails while later ones are stored, and not before', async () => {
  const asked: string[] = [];
  const { spool, refused } = await replaying(['bad', 'a', 'b', 'c'], {
    store: async ({ id }) => {
      asked.push(id);
      if (id === 'bad') throw new GatewayError('audit_unavailable', 'no answer');
    },
    isRefusal: () => false,
    isFull: () => false,
  });
  await waitFor(() => spool.events === 0, { what: 'an empty spool' });
  expect(asked.filter((id) => id === 'bad')).toHaveLength(REFUSALS_MAX);
  expect(asked.filter((id) => id !== 'bad')).toEqual(['a', 'b', 'c']);
  expect(await readdir(refused)).toEqual(['bad.json']);
});

test('tries what was appended after the event that fails', async () => {
  const asked = Promise.withResolvers<void>();
  const appended = Promise.withResolvers<void>();
  const stored: string[] = [];
  const { spool, refused } = await replaying(['bad'], {
    store: async ({ id }) => {
      if (id !== 'bad') {
        stored.push(id);
        return;
      }
      asked.resolve();
      await appended.promise;
      throw new GatewayError('audit_unavailable', 'no answer');
    },
    isRefusal: () => false,
    isFull: () => false,
  });
  await asked.promise;
  for (const id of ['a', 'b', 'c']) await spool.append(logMessage(id));
  appended.resolve();
  await waitFor(() => spool.events === 0, { what: 'an empty spool' });
  expect(stored).toEqual(['a', 'b', 'c']);
  expect(await readdir(refused)).toEqual(['bad.json']);
});

test('keeps an event on disk until it is settled, whatever is settled behind it', async () => {
  const path = join(await temporaryDirectory(), 'instance');
  const options = { path, bytesMax: 16 * 1024, clock: systemClock, logger: SILENT };
  const spool = await SpoolDirectory.create(options);
  const ids = Array.from({ length: 60 }, (_, index) => `event-${index}`);
  for (const id of ids) await spool.append(logMessage(id));
  const segmentsBefore = (await readdir(path)).filter(isSegment).length;
  for (let left = ids.length; left > 1; left = spool.events) {
    const [, ...later] = await spool.oldest(8);
    await spool.settle(new Set(later));
  }
  await spool.oldest(8);
  await spool.close();
  const segmentsAfter = (await readdir(path)).filter(isSegment).length;
  expect(segmentsAfter).toBeLessThan(segmentsBefore);
  const adopted = await SpoolDirectory.adopt(options);
  const [first] = (await adopted?.oldest(1)) ?? [];
  expect(first?.id).toBe('event-0');
  await adopted?.close();
});

test('puts nothing aside while JetStream takes nothing', async () => {
  let asked = 0;
  let takes = false;
  const stored: string[] = [];
  const { spool, refused } = await replaying(['a', 'b', 'c'], {
    store: async ({ id }) => {
      asked += 1;
      if (!takes) throw new GatewayError('audit_unavailable', 'full');
      stored.push(id);
    },
    isRefusal: () => false,
    isFull: () => false,
  });
  await waitFor(() => asked > 2 * (REFUSALS_MAX + 1), { what: 'more tries than refusals' });
  takes = true;
  await waitFor(() => spool.events === 0, { what: 'an empty spool' });
  expect(stored).toEqual(['a', 'b', 'c']);
  await expect(readdir(refused)).rejects.toThrow('ENOENT');
});

test('waits with an event that finds no room, while later ones are stored', async () => {
  let asked = 0;
  let hasRoom = false;
  const { spool, refused } = await replaying(
    ['large', ...Array.from({ length: REFUSALS_MAX + 2 }, (_, index) => `small-${index}`)],
    {
      store: async ({ id }) => {
        if (id !== 'large') return;
        asked += 1;
        if (!hasRoom) throw new GatewayError('audit_unavailable', 'full');
      },
      isRefusal: () => false,
      isFull: () => true,
    },
  );
  await waitFor(() => asked > REFUSALS_MAX + 1, { what: 'more tries than refusals' });
  expect(spool.events).toBe(1);
  hasRoom = true;
  await waitFor(() => spool.events === 0, { what: 'an empty spool' });
  await expect(readdir(refused)).rejects.toThrow('ENOENT');
});

test('brings what is smaller past an event without room in batches', async () => {
  const smallIds = Array.from({ length: 100 }, (_, index) => `small-${index}`);
  const stored: string[] = [];
  let rounds = 0;
  const { spool } = await replaying(['large', ...smallIds], {
    store: async ({ id }) => {
      if (id !== 'large') {
        stored.push(id);
        return;
      }
      rounds += 1;
      throw new GatewayError('audit_unavailable', 'full');
    },
    isRefusal: () => false,
    isFull: () => true,
  });
  await waitFor(() => spool.events === 1, { what: 'all but the large event' });
  expect(stored).toEqual(smallIds);
  // Two to begin with, then 63 at most.
  expect(rounds).toBeLessThanOrEqual(5);
});

test('keeps refused events up to the bound, and none past it', async () => {
  const directory = join(await temporaryDirectory(), 'refused');
  const refused = new RefusedEvents(directory);
  await mkdir(directory);
  const names = Array.from({ length: REFUSED_EVENTS_MAX - 1 }, (_, index) => `${index}.json`);
  await Promise.all(names.map((name) => writeFile(join(directory, name), '{}')));
  await refused.keep(logMessage('last'), 'too large');
  await expect(refused.keep(logMessage('one-past'), 'too large')).rejects.toThrow(
    `holds ${REFUSED_EVENTS_MAX} refused events`,
  );
  // The same one again, as after a crash between the two.
  await refused.keep(logMessage('last'), 'too large');
  expect(await readdir(directory)).toHaveLength(REFUSED_EVENTS_MAX);
});

test('leaves a spool of a dead process that is nothing but damage to be looked at', async () => {
  const path = join(await temporaryDirectory(), 'instance');
  const options = { path, bytesMax: 1024 * 1024, clock: systemClock, logger: SILENT };
  await mkdir(path);
  const written = await SpoolDirectory.create(options);
  await written.append(logMessage('only'));
  await written.close();
  const [segment = ''] = (await readdir(path)).filter(isSegment);
  const bytes = await readFile(join(path, segment));
  bytes[bytes.length - 1] = 0xff;
  await writeFile(join(path, segment), bytes);
  const adopted = await SpoolDirectory.adopt(options);
  expect(adopted?.isEmpty).toBe(true);
  await adopted?.close();
  expect(await readFile(join(path, DAMAGED_DIRECTORY, segment))).toEqual(bytes);
  expect((await readdir(path)).filter(isSegment)).toEqual([]);
});
