/** Processes that are killed while their events wait in a spool, and a disk that takes no more. */
import { once } from 'node:events';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consumers } from '@gateway/protocol';
import { type RunningServer, spawnTied, startNodeProcess, waitFor } from '@gateway/testing';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../src/bus.ts';
import { BATCH_COUNT_MAX } from '../src/spool/spool-replay.ts';
import { subjectOf } from './contract/recorded-events.ts';
import {
  connectAs,
  RECORDED_AT_ONCE,
  SPOOL_BYTES_MAX,
  startProvisionedNats,
} from './nats-fixture.ts';

const PROGRAM = join(import.meta.dirname, 'spool-main.ts');
const CHANGE_ID = /^[0-9a-f-]{36}$/;

let server: RunningServer;
let directory: string;

beforeEach(async () => {
  server = await startProvisionedNats();
  directory = await mkdtemp(join(tmpdir(), 'gateway-spool-'));
  onTestFinished(async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });
});

const said = (lines: readonly string[]) => lines.filter((line) => CHANGE_ID.test(line));

/** A process that says each event that it recorded, with the server gone. */
async function startRecorder(linesMin: number) {
  const recorder = startNodeProcess({ script: PROGRAM, arguments: [server.url, directory] });
  onTestFinished(() => recorder.kill('SIGKILL'));
  await recorder.waitForLine(/^connected$/);
  await server.kill();
  await waitFor(() => said(recorder.lines).length >= linesMin, { what: `${linesMin} events` });
  return recorder;
}

async function successor(): Promise<Bus> {
  const options = { directory, bytesMax: SPOOL_BYTES_MAX };
  const bus = await connectAs('ingress', server.url, options);
  onTestFinished(() => bus.drain());
  return bus;
}

/** What the stream holds, in order, once no spool is left but that of the successor. */
async function replayed(): Promise<string[]> {
  const parent = join(directory, 'ingress');
  await waitFor(async () => (await readdir(parent)).length === 1, {
    what: 'the spools to be gone',
  });
  const reader = await connectAs('audit-writer', server.url);
  onTestFinished(() => reader.drain());
  const ids: string[] = [];
  await reader.consume(
    consumers.auditWriter,
    async (batch) => {
      for (const delivery of batch) {
        ids.push(subjectOf(delivery.value) ?? '');
        delivery.acknowledge();
      }
    },
    { batchMax: 500, lingerMs: 1 },
  );
  while ((await reader.backlog(consumers.auditWriter)).pending > 0);
  return ids;
}

/** An event that was on its way when somebody died may be stored again, in other company. */
function repeatedIn(ids: readonly string[]): number {
  return ids.length - new Set(ids).size;
}

/** Where the next record would have gone: behind the last one, which ends with JSON, are zeros. */
async function writeBehindRecords(segment: string, bytes: Buffer): Promise<void> {
  const recordsEnd = (await readFile(segment)).findLastIndex((byte) => byte !== 0) + 1;
  const file = await open(segment, 'r+');
  await file.write(bytes, 0, bytes.length, recordsEnd);
  await file.close();
}

describe('a process that is killed', () => {
  test('has its events replayed by a successor, none twice but what was on its way', async () => {
    const recorder = await startRecorder(200);
    recorder.kill('SIGKILL');
    await recorder.waitExit();
    await server.restart();
    await successor();
    const ids = await replayed();
    expect(repeatedIn(ids)).toBeLessThanOrEqual(RECORDED_AT_ONCE);
    expect(ids).toEqual(expect.arrayContaining(said(recorder.lines)));
  });

  test('has them replayed by a replica that runs already', async () => {
    const replica = await successor();
    const recorder = await startRecorder(50);
    recorder.kill('SIGKILL');
    await recorder.waitExit();
    await server.restart();
    expect(await replayed()).toEqual(expect.arrayContaining(said(recorder.lines)));
    await waitFor(() => replica.spool.events === 0, { what: 'an empty spool' });
  });

  test('loses nothing but the tail that it was writing', async () => {
    const recorder = await startRecorder(20);
    recorder.kill('SIGKILL');
    await recorder.waitExit();
    const [instance = ''] = await readdir(join(directory, 'ingress'));
    const spool = join(directory, 'ingress', instance);
    const segment = (await readdir(spool)).filter((name) => name.endsWith('.segment')).at(-1) ?? '';
    await writeBehindRecords(join(spool, segment), Buffer.from([200, 0, 0, 0, 1, 2, 3, 4, 5]));
    await server.restart();
    await successor();
    expect(await replayed()).toEqual(expect.arrayContaining(said(recorder.lines)));
  });

  test('and killed again while it replays leaves none twice but what was on its way', async () => {
    const recorder = await startRecorder(500);
    recorder.kill('SIGKILL');
    await recorder.waitExit();
    await server.restart();
    const second = startNodeProcess({ script: PROGRAM, arguments: [server.url, directory] });
    onTestFinished(() => second.kill('SIGKILL'));
    await second.waitForLine(/^connected$/);
    second.kill('SIGKILL');
    await second.waitExit();
    await successor();
    const ids = await replayed();
    expect(repeatedIn(ids)).toBeLessThanOrEqual(2 * RECORDED_AT_ONCE + BATCH_COUNT_MAX);
    const all = [...said(recorder.lines), ...said(second.lines)];
    expect(ids).toEqual(expect.arrayContaining(all));
  });
});

// The limit of a shell stands for a full disk: the kernel takes a part of a write and no more.
test.skipIf(process.platform === 'win32')('a disk that takes no more is said', async () => {
  const command = `ulimit -f 64; exec "$0" "$1" "$2" "$3"`;
  const parameters = ['-c', command, process.execPath, PROGRAM, server.url, directory];
  const child = spawnTied('/bin/sh', parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  await waitFor(() => output.includes('connected'), { what: 'the process to run' });
  await server.kill();
  await waitFor(() => output.includes('audit_unavailable'), { what: 'the refusal' });
  expect(output).toMatch(/audit_unavailable: the spool cannot be written: \w+; admits: false/);
  child.kill('SIGKILL');
  await once(child, 'close');
  const recorded = said(output.split('\n'));
  expect(recorded.length).toBeGreaterThan(10);
  await server.restart();
  await successor();
  expect(await replayed()).toEqual(expect.arrayContaining(recorded));
});
