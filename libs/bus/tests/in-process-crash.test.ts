import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type ControlEvent, consumers, newInstanceId } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openInProcessHub } from '../src/in-process/hub.ts';
import { controlEvent } from './contract/sample-messages.ts';
import { temporaryDirectory } from './in-process-fixture.ts';

const PROGRAM = join(import.meta.dirname, 'killed-main.ts');

type Child = ChildProcessByStdio<null, Readable, null>;

function start(command: string, parameters: string[]): { child: Child; lines: string[] } {
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  return { child, lines };
}

/** What a child said before it was killed, its last line left out where it is cut. */
async function sayUntilKilled(what: string, directory: string, linesMin: number) {
  const { child, lines } = start(process.execPath, [PROGRAM, what, directory]);
  await waitFor(() => lines.length >= linesMin, { what: `${linesMin} lines of ${what}` });
  child.kill('SIGKILL');
  await once(child, 'close');
  return lines;
}

/** Everything that is left for the consumer, with the count of its deliveries. */
async function consumeRest(directory: string): Promise<Map<string, number>> {
  const hub = await openInProcessHub({ directory });
  const bus = hub.connect({ service: 'audit-writer', instance: newInstanceId() });
  const seen = new Map<string, number>();
  await bus.consume(
    consumers.auditWriter,
    async (batch) => {
      for (const delivery of batch) {
        const { changeId } = delivery.value as ControlEvent;
        seen.set(changeId, (seen.get(changeId) ?? 0) + 1);
        delivery.acknowledge();
      }
    },
    { batchMax: 500, lingerMs: 0 },
  );
  await waitFor(async () => (await bus.backlog(consumers.auditWriter)).pending === 0, {
    what: 'an empty backlog',
  });
  expect(await bus.backlog(consumers.auditWriter)).toEqual({ pending: 0, quarantined: 0 });
  await bus.drain();
  await hub.close();
  return seen;
}

describe('the in-process hub, killed', () => {
  test('has everything that it acknowledged, each event once', async () => {
    const directory = await temporaryDirectory();
    const acknowledged = new Set<string>();
    for (const linesMin of [1, 50, 500]) {
      for (const id of await sayUntilKilled('publish', directory, linesMin)) acknowledged.add(id);
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(551);
    const seen = await consumeRest(directory);
    expect([...acknowledged].filter((id) => !seen.has(id))).toEqual([]);
    expect([...seen.values()].filter((count) => count !== 1)).toEqual([]);
    expect((await consumeRest(directory)).size).toBe(0);
  });

  test('loses no event of a consumer that is killed in the middle', async () => {
    const directory = await temporaryDirectory();
    const published = Array.from({ length: 2_000 }, () => controlEvent());
    const hub = await openInProcessHub({ directory });
    const bus = hub.connect({ service: 'ingress', instance: newInstanceId() });
    await Promise.all(published.map((event) => bus.publish(event)));
    await hub.close();
    const handled = new Set(await sayUntilKilled('consume', directory, 100));
    expect(handled.size).toBeLessThan(published.length);
    const seen = await consumeRest(directory);
    const lost = published.filter(({ changeId }) => !handled.has(changeId) && !seen.has(changeId));
    expect(lost).toEqual([]);
    expect([...seen.values()].filter((count) => count !== 1)).toEqual([]);
  });

  // The limit of a shell stands for a full disk: the kernel takes a part of a write and no more.
  test.skipIf(process.platform === 'win32')('refuses what the disk has no room for', async () => {
    const directory = await temporaryDirectory();
    const command = `ulimit -f 64; exec "${process.execPath}" "${PROGRAM}" fill-disk "${directory}"`;
    const { child, lines } = start('/bin/sh', ['-c', command]);
    await once(child, 'close');
    const stored = lines.filter((line) => line === 'stored').length;
    expect(stored).toBeGreaterThan(1);
    expect(lines.slice(stored)).toEqual([
      expect.stringMatching(
        /^audit_unavailable: the event log cannot be written: \w+; outage: the event log/,
      ),
      'stored a smaller one; outage: undefined',
    ]);
    expect((await consumeRest(directory)).size).toBe(stored + 1);
  });
});
