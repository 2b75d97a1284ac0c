/** What the tests of the in-process bus start from. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../src/calls/clock.ts';
import { DurableLog, type DurableLogOptions } from '../src/log/durable-log.ts';
import type { LogMessage, LogRecord } from '../src/log/log-record.ts';

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-bus-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export interface OpenedLog {
  readonly log: DurableLog;
  readonly found: LogRecord[];
  readonly damaged: string[];
}

export async function openLog(
  directory: string,
  options: Partial<DurableLogOptions> = {},
): Promise<OpenedLog> {
  const found: LogRecord[] = [];
  const damaged: string[] = [];
  const log = await DurableLog.open({
    name: 'the event log',
    directory,
    bytesMax: 1024 * 1024,
    segmentBytesMax: 64 * 1024,
    messageBytesMax: 64 * 1024,
    duplicateWindowMs: 60_000,
    duplicateIdsMax: 1_000,
    sync: true,
    retainers: ['audit-writer'],
    sequenceMin: 0,
    clock: systemClock,
    logger: { warn: () => {}, error: () => {} },
    found: (record) => found.push(record),
    damaged: (place) => damaged.push(place),
    ...options,
  });
  onTestFinished(() => log.close());
  return { log, found, damaged };
}

export function logMessage(id: string, bytes: Uint8Array = Buffer.from(`"${id}"`)): LogMessage {
  return { id, subject: 'gateway.v1.event.control', headers: {}, bytes };
}
