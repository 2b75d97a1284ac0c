import { cp, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { COMPANY_WAIT_MS, type DurableLog, GROUP_BYTES_MAX } from '../src/log/durable-log.ts';
import { LogReader } from '../src/log/log-reader.ts';
import { encodeRecord } from '../src/log/log-record.ts';
import { logMessage, openLog, temporaryDirectory } from './in-process-fixture.ts';
import { ManualClock } from './manual-clock.ts';

const RECORD_BYTES = encodeRecord(logMessage('id-0'), 1, 0).length;

async function segmentFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => name.endsWith('.segment')).sort();
}

async function onlySegment(directory: string): Promise<string> {
  const [name, ...others] = await segmentFiles(directory);
  expect(others).toEqual([]);
  return join(directory, name as string);
}

async function readAll(log: DurableLog, passed = () => {}): Promise<string[]> {
  const reader = new LogReader(log, passed);
  const ids: string[] = [];
  for (;;) {
    const records = await reader.next(100);
    if (records.length === 0) return ids;
    ids.push(...records.map(({ record }) => record.id));
  }
}

describe('DurableLog', () => {
  test('finds after reopening what it acknowledged, in order', async () => {
    const directory = await temporaryDirectory();
    const first = await openLog(directory);
    const ids = Array.from({ length: 500 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => first.log.append(logMessage(id))));
    await first.log.close();
    const second = await openLog(directory);
    expect(second.found.map(({ id }) => id)).toEqual(ids);
    expect(second.found.map(({ sequence }) => sequence)).toEqual(ids.map((_, index) => index + 1));
    expect(second.damaged).toEqual([]);
    expect(await readAll(second.log)).toEqual(ids);
  });

  test('cuts off a torn last record wherever it was torn, and goes on behind it', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(join(directory, 'whole'));
    for (const id of ['id-0', 'id-1', 'id-2']) await log.append(logMessage(id));
    await log.close();
    for (let cut = 1; cut < RECORD_BYTES; cut += 1) {
      const torn = join(directory, `torn-${cut}`);
      await cp(join(directory, 'whole'), torn, { recursive: true });
      await truncate(await onlySegment(torn), 3 * RECORD_BYTES - cut);
      const reopened = await openLog(torn);
      expect(reopened.found.map(({ id }) => id)).toEqual(['id-0', 'id-1']);
      expect(reopened.damaged).toEqual([]);
      await reopened.log.append(logMessage('id-3'));
      expect(await readAll(reopened.log)).toEqual(['id-0', 'id-1', 'id-3']);
      await reopened.log.close();
      const again = await openLog(torn);
      expect(again.found.map(({ id }) => id)).toEqual(['id-0', 'id-1', 'id-3']);
      expect(again.damaged).toEqual([]);
    }
  });

  test('takes a record that was torn within the zeros ahead for one that was never stored', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(join(directory, 'running'));
    for (const id of ['id-0', 'id-1', 'id-2']) await log.append(logMessage(id));
    const path = await onlySegment(join(directory, 'running'));
    const readAhead = () => readFile(path);
    const end = 3 * RECORD_BYTES;
    await waitFor(async () => (await readAhead()).length > end, { what: 'the zeros ahead' });
    const bytes = await readAhead();
    expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
    for (let cut = 0; cut <= RECORD_BYTES; cut += 1) {
      const torn = join(directory, `torn-${cut}`);
      await cp(join(directory, 'running'), torn, { recursive: true });
      await writeFile(await onlySegment(torn), Buffer.from(bytes).fill(0, end - cut, end));
      const reopened = await openLog(torn);
      const kept = cut === 0 ? ['id-0', 'id-1', 'id-2'] : ['id-0', 'id-1'];
      expect(reopened.found.map(({ id }) => id)).toEqual(kept);
      expect(reopened.damaged).toEqual([]);
      await reopened.log.append(logMessage('id-3'));
      expect(await readAll(reopened.log)).toEqual([...kept, 'id-3']);
    }
  });

  test('takes a last record of which any sector is blank for one that was never stored', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(join(directory, 'whole'));
    const large = logMessage('id-1', Buffer.alloc(2_000, 'x'));
    for (const message of [logMessage('id-0'), large]) await log.append(message);
    await log.close();
    const bytes = await readFile(await onlySegment(join(directory, 'whole')));
    const change = async (name: string, from: number, to: number, byte: number) => {
      await cp(join(directory, 'whole'), join(directory, name), { recursive: true });
      const path = await onlySegment(join(directory, name));
      await writeFile(path, Buffer.from(bytes).fill(byte, from, to));
      return await openLog(join(directory, name));
    };
    for (let sector = 0; sector < bytes.length; sector += 512) {
      const from = Math.max(sector, RECORD_BYTES);
      const to = Math.min(sector + 512, bytes.length);
      const { found, damaged } = await change(`blank-${sector}`, from, to, 0);
      expect(found.map(({ id }) => id)).toEqual(['id-0']);
      expect(damaged).toEqual([]);
      const spoilt = await change(`spoilt-${sector}`, from, from + 1, 0xff);
      expect(spoilt.found.map(({ id }) => id)).toEqual(['id-0']);
      expect(spoilt.damaged).toHaveLength(sector === 0 ? 0 : 1);
    }
  });

  test('cuts the zeros off a segment before the next one is there', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(directory, { segmentBytesMax: 2 * RECORD_BYTES });
    for (const id of ['id-0', 'id-1', 'id-2']) await log.append(logMessage(id));
    const [first] = await segmentFiles(directory);
    expect(await readFile(join(directory, first as string))).toHaveLength(2 * RECORD_BYTES);
    const crashed = join(directory, 'crashed');
    for (const name of await segmentFiles(directory)) {
      await cp(join(directory, name), join(crashed, name));
    }
    const { found, damaged } = await openLog(crashed);
    expect(found.map(({ id }) => id)).toEqual(['id-0', 'id-1', 'id-2']);
    expect(damaged).toEqual([]);
  });

  test('begins a segment under a name that a failed try left empty, and no other', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(directory, { segmentBytesMax: 1 });
    await log.append(logMessage('id-0'));
    const nextName = `${'2'.padStart(16, '0')}.segment`;
    await writeFile(join(directory, nextName), 'x');
    await expect(log.append(logMessage('id-1'))).rejects.toMatchObject({
      code: 'audit_unavailable',
    });
    await truncate(join(directory, nextName), 0);
    await rename(join(directory, nextName), join(directory, nextName.replace('2', '3')));
    await log.append(logMessage('id-2'));
    expect(await readAll(log)).toEqual(['id-0', 'id-2']);
  });

  test('keeps what may wait for the next write, or for a moment', async () => {
    const clock = new ManualClock();
    const { log } = await openLog(await temporaryDirectory(), { clock });
    const stored: string[] = [];
    log.onStored = ({ record }) => stored.push(record.id);
    const patient = log.append(logMessage('patient'), true);
    clock.advance(COMPANY_WAIT_MS - 1);
    expect(log.bytes).toBe(encodeRecord(logMessage('patient'), 1, 0).length);
    expect(stored).toEqual([]);
    await Promise.all([log.append(logMessage('urgent')), patient]);
    expect(stored).toEqual(['patient', 'urgent']);
    const alone = log.append(logMessage('alone'), true);
    expect(clock.pending).toBe(1);
    clock.advance(COMPANY_WAIT_MS);
    await alone;
    const last = log.append(logMessage('last'), true);
    await log.close();
    await last;
    expect(await readAll(log)).toEqual(['patient', 'urgent', 'alone', 'last']);
  });

  test('writes at once what this turn of the event loop and the next one append', async () => {
    const { log } = await openLog(await temporaryDirectory());
    const first = log.append(logMessage('id-0'));
    await Promise.resolve();
    expect(log.append(logMessage('id-1'))).toBe(first);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.append(logMessage('id-2'))).toBe(first);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const next = log.append(logMessage('id-3'));
    expect(next).not.toBe(first);
    await Promise.all([first, next]);
    expect(await readAll(log)).toEqual(['id-0', 'id-1', 'id-2', 'id-3']);
  });

  test('writes at once as much as GROUP_BYTES_MAX and no byte more', async () => {
    const bounds = { bytesMax: 4 * GROUP_BYTES_MAX, messageBytesMax: GROUP_BYTES_MAX };
    const { log } = await openLog(await temporaryDirectory(), { ...bounds, sync: false });
    const overhead = encodeRecord(logMessage('a', new Uint8Array()), 1, 0).length;
    const half = new Uint8Array(GROUP_BYTES_MAX / 2 - overhead);
    const more = new Uint8Array(half.length + 1);
    const [a, b] = ['a', 'b'].map((id) => log.append(logMessage(id, half)));
    const [c, d] = [log.append(logMessage('c', half)), log.append(logMessage('d', more))];
    expect(a).toBe(b);
    expect(c).not.toBe(b);
    expect(d).not.toBe(c);
    await Promise.all([a, b, c, d]);
  });

  test('skips a damaged record wherever its byte is wrong, and keeps its segment', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(join(directory, 'whole'));
    for (const id of ['id-0', 'id-1', 'id-2']) await log.append(logMessage(id));
    await log.close();
    for (let offset = RECORD_BYTES; offset < 2 * RECORD_BYTES; offset += 1) {
      const copy = join(directory, `damaged-${offset}`);
      await cp(join(directory, 'whole'), copy, { recursive: true });
      const path = await onlySegment(copy);
      const bytes = await readFile(path);
      bytes.writeUInt8(bytes.readUInt8(offset) ^ 0xff, offset);
      await writeFile(path, bytes);
      const reopened = await openLog(copy);
      expect(reopened.found.map(({ id }) => id)).toEqual(['id-0', 'id-2']);
      expect(reopened.damaged).toEqual([`segment 1 offset ${RECORD_BYTES}`]);
      expect(await readAll(reopened.log)).toEqual(['id-0', 'id-2']);
      expect(await readFile(path)).toEqual(bytes);
    }
  });

  test('keeps a segment of which nothing can be read', async () => {
    const directory = await temporaryDirectory();
    const first = await openLog(directory);
    await first.log.append(logMessage('id-0'));
    await first.log.close();
    const path = await onlySegment(directory);
    const bytes = Buffer.alloc(RECORD_BYTES, 1);
    await writeFile(path, bytes.fill(0, 0, 4).fill(40, 0, 1));
    const { log, found, damaged } = await openLog(directory);
    expect(found).toEqual([]);
    expect(damaged).toEqual(['segment 1 offset 0']);
    await log.append(logMessage('id-1'));
    expect(await readFile(path)).toEqual(bytes);
    expect(await readAll(log)).toEqual(['id-1']);
  });

  test('puts a damaged segment aside when it is done with', async () => {
    const directory = await temporaryDirectory();
    const first = await openLog(directory);
    for (const id of ['id-0', 'id-1', 'id-2']) await first.log.append(logMessage(id));
    await first.log.close();
    const path = await onlySegment(directory);
    const bytes = await readFile(path);
    bytes.fill(7, 2 * RECORD_BYTES + 8);
    await writeFile(path, bytes);
    const { log, damaged } = await openLog(directory);
    expect(damaged).toEqual([`segment 1 offset ${2 * RECORD_BYTES}`]);
    await log.append(logMessage('id-3'));
    const [segment] = log.segments;
    if (segment) await log.release(segment, 'audit-writer');
    const [aside] = await readdir(join(directory, 'damaged'));
    expect(await readFile(join(directory, 'damaged', aside as string))).toEqual(bytes);
    expect(await readAll(log)).toEqual(['id-3']);
  });

  test('stores a message id once within the window, over a restart too', async () => {
    const directory = await temporaryDirectory();
    const clock = new ManualClock();
    const options = { clock, duplicateWindowMs: 1_000 };
    const first = await openLog(directory, options);
    await Promise.all([1, 2, 3].map(() => first.log.append(logMessage('once'))));
    await first.log.close();
    clock.advance(999);
    const second = await openLog(directory, options);
    await second.log.append(logMessage('once'));
    expect(await readAll(second.log)).toEqual(['once']);
    clock.advance(1);
    await second.log.append(logMessage('once'));
    expect(await readAll(second.log)).toEqual(['once', 'once']);
  });

  test('refuses one message past its bytes, and takes it when a segment is released', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(directory, {
      bytesMax: 6 * RECORD_BYTES,
      segmentBytesMax: 3 * RECORD_BYTES,
    });
    for (const index of [0, 1, 2, 3, 4, 5]) await log.append(logMessage(`id-${index}`));
    await expect(log.append(logMessage('id-6'))).rejects.toMatchObject({
      code: 'audit_unavailable',
      facts: { detail: 'the event log is full' },
    });
    expect(log.outage).toBeUndefined();
    const [segment] = log.segments;
    if (segment) await log.release(segment, 'audit-writer');
    expect(await segmentFiles(directory)).toHaveLength(1);
    await log.append(logMessage('id-6'));
    expect(await readAll(log)).toEqual(['id-3', 'id-4', 'id-5', 'id-6']);
  });

  test('takes a message of the largest size and refuses one a byte larger', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(directory, { messageBytesMax: 1000 });
    const room = 1000 + 16 * 1024 - JSON.stringify({ ...logMessage('a'), bytes: undefined }).length;
    await log.append(logMessage('a', Buffer.alloc(room)));
    await expect(log.append(logMessage('b', Buffer.alloc(room + 1)))).rejects.toMatchObject({
      code: 'audit_unavailable',
    });
  });

  test('deletes a segment when the last of its retainers has released it', async () => {
    const directory = await temporaryDirectory();
    const retainers = ['audit-writer', 'rate-limiter'];
    const { log } = await openLog(directory, { segmentBytesMax: RECORD_BYTES, retainers });
    for (const id of ['id-0', 'id-1']) await log.append(logMessage(id));
    const [segment] = log.segments;
    if (!segment) throw new Error('the log has no segment');
    await log.release(segment, 'audit-writer');
    expect(await segmentFiles(directory)).toHaveLength(2);
    await log.release(segment, 'rate-limiter');
    expect(await segmentFiles(directory)).toHaveLength(1);
    expect(await readAll(log)).toEqual(['id-1']);
  });

  test('never gives a sequence again that somebody has seen', async () => {
    const { log } = await openLog(await temporaryDirectory(), { sequenceMin: 41 });
    await log.append(logMessage('id-0'));
    expect(log.lastSequence).toBe(42);
  });

  test('refuses while the disk fails, says so, and recovers by itself', async () => {
    const directory = join(await temporaryDirectory(), 'events');
    const { log } = await openLog(directory, { segmentBytesMax: 1 });
    await log.append(logMessage('id-0'));
    await rename(directory, `${directory}-gone`);
    await expect(log.append(logMessage('id-1'))).rejects.toMatchObject({
      code: 'audit_unavailable',
      facts: { detail: 'the event log cannot be written: ENOENT' },
    });
    expect(log.outage).toBe('the event log cannot be written');
    await rename(`${directory}-gone`, directory);
    await waitFor(() => log.outage === undefined, { what: 'the log to see the disk' });
    await log.append(logMessage('id-1'));
    expect(await readAll(log)).toEqual(['id-0', 'id-1']);
  });

  test('writes what was appended before it closes, and refuses afterwards', async () => {
    const directory = await temporaryDirectory();
    const first = await openLog(directory);
    const stored = first.log.append(logMessage('id-0'));
    await first.log.close();
    await stored;
    await expect(first.log.append(logMessage('id-1'))).rejects.toMatchObject({
      code: 'audit_unavailable',
    });
    expect((await openLog(directory)).found.map(({ id }) => id)).toEqual(['id-0']);
  });
});
