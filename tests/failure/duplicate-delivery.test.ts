import { openPack, subjects } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const EVENTS_OF_A_REQUEST = 3;
const REQUESTS = 10;

const cluster = useCluster();

test('events that come again, past what JetStream drops and in any order, change no row', async () => {
  const { ask, bus, rows } = cluster();
  const events = await bus.eventsOf(async (heard) => {
    await Promise.all([
      ...Array.from({ length: REQUESTS - 1 }, () => ask({ stream: true })),
      ask({ text: 'sim:status=503x1-then-ok' }),
    ]);
    const count = EVENTS_OF_A_REQUEST * REQUESTS + 1;
    const eventsHeard = () => heard.flatMap(({ payload }) => openPack(payload)).length;
    await waitFor(() => eventsHeard() === count, { what: `${count} events` });
  });
  await cluster().quiet();
  const before = await rows();
  // Without a message id JetStream takes them for new ones.
  for (const { subject, payload } of [...events.toReversed(), ...events]) {
    await bus.publishEvent(subject, payload);
  }
  // Nor does JetStream know an event that comes again by itself, or with others than before.
  for (const { bytes } of events.flatMap(({ payload }) => openPack(payload))) {
    await bus.publishEvent(subjects.event('finished'), bytes);
  }
  await cluster().quiet();
  expect(await rows()).toEqual(before);
  expect((await bus.backlog()).quarantined).toBe(0);
});
