/**
 * Messages that survive the death of the process: a write-ahead log of bounded segments.
 *
 * Appending resolves once the bytes are durable. One write is under way at a time, and whatever is
 * appended meanwhile goes out in the next one, so that the cost of a sync is shared under load. A write
 * begins at the end of the next turn of the event loop, with all that was appended until then.
 *
 * A segment is deleted once every retainer has released it. A full log refuses messages rather than
 * dropping old ones; they never age, since each was promised to somebody.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '@gateway/protocol';
import type { Clock } from '../calls/clock.ts';
import {
  type LogMessage,
  type LogRecord,
  recordBytesMax,
  scanRecords,
  UnwrittenRecord,
  type ValueMessage,
} from './log-record.ts';
import { LogSegment, listSegments } from './log-segment.ts';
import { RecentIds } from './recent-ids.ts';
import { type GroupOutcome, WriteGroup } from './write-group.ts';

/** What a log says to its operator: a pino logger fits. */
export interface Logger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SILENT: Logger = { warn: () => {}, error: () => {} };

export interface DurableLogOptions {
  /** What it is to an operator: 'the event log'. */
  readonly name: string;
  readonly directory: string;
  /** Of all segments. At least twice `segmentBytesMax`, so that a full log has one to free. */
  readonly bytesMax: number;
  /** A segment at or above this size takes no further record. */
  readonly segmentBytesMax: number;
  readonly messageBytesMax: number;
  readonly duplicateWindowMs: number;
  /** An even number: how many ids it remembers for that. At least the last half of them are known. */
  readonly duplicateIdsMax: number;
  /** Whether an acknowledged message survives the machine's death too, and not the process' alone. */
  readonly sync: boolean;
  /** Names of those who release segments, see `release`. With none, nothing is ever deleted. */
  readonly retainers: readonly string[];
  /** Every new record has a higher sequence, whatever the segments hold. */
  readonly sequenceMin: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called for every record that is there already, in order. */
  readonly found: (record: LogRecord) => void;
  /** Called for every stretch of bytes that is lost, with its segment and offset. */
  readonly damaged: (place: string) => void;
}

/** A record that became durable, and where it lies. */
export interface StoredRecord {
  readonly record: LogRecord;
  readonly segment: LogSegment;
  readonly start: number;
  readonly end: number;
}

export const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;
/** Appended and not yet handed to the disk. */
export const QUEUED_BYTES_MAX = 16 * 1024 * 1024;
/** What may wait for company waits so long for the next write. */
export const COMPANY_WAIT_MS = 10;
/** One write, unless a single record is larger. */
export const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Whoever publishes an event again has heard nothing of it, so that it is on its way or was stored just
 * now. With four times as many, remembering takes twice as long.
 */
export const DUPLICATE_IDS_MAX = 4_096;
/** While the disk refuses, whether it takes bytes again is tried this often, with so many bytes. */
const PROBE_INTERVAL_MS = 1_000;
const PROBE_BYTES = 64 * 1024;

const STORED = Promise.resolve();

/** New work is admitted below this share of the bound, so that what runs can still be recorded. */
export function admissionMark(bytesMax: number): number {
  return Math.floor((bytesMax * 3) / 4);
}

export class DurableLog {
  /** Oldest first; the last one takes the records. */
  readonly segments: LogSegment[] = [];
  /** Called after each write with what became durable. */
  onStored: (stored: StoredRecord) => void = () => {};
  readonly #options: DurableLogOptions;
  readonly #ids: RecentIds<GroupOutcome>;
  readonly #released = new Map<LogSegment, Set<string>>();
  /** Not yet written, oldest first; the last one takes the records. */
  readonly #queue: WriteGroup[] = [];
  #queuedBytes = 0;
  #storedBytes = 0;
  #nextSequence = 1;
  #writing: Promise<void> | undefined;
  /** Set while everything that is queued may wait for company. */
  #callOffWait: (() => void) | undefined;
  #probe: NodeJS.Timeout | undefined;
  #outage: string | undefined;
  #closed = false;

  private constructor(options: DurableLogOptions) {
    this.#options = options;
    this.#ids = new RecentIds(options.duplicateIdsMax, options.duplicateWindowMs);
  }

  /** Reads every segment, cuts off a torn end and reports damage. */
  static async open(options: DurableLogOptions): Promise<DurableLog> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const log = new DurableLog(options);
    try {
      await log.#loadAll();
      return log;
    } catch (error) {
      await Promise.all(log.segments.map((segment) => segment.close()));
      throw error;
    }
  }

  async #loadAll(): Promise<void> {
    const { directory, sync, sequenceMin } = this.#options;
    let last = sequenceMin;
    const segments = await listSegments(directory, sync);
    for (const [index, segment] of segments.entries()) {
      const isLast = index === segments.length - 1;
      // Its name is taken, whatever is left of its records.
      last = Math.max(last, segment.first, await this.#load(segment, isLast));
    }
    this.#nextSequence = last + 1;
    if (this.segments.at(-1)?.sealed ?? true) await this.#roll(last + 1);
  }

  /** Why nothing can be stored now, or undefined. */
  get outage(): string | undefined {
    return this.#outage;
  }

  /** Of all records that are there or on their way. */
  get bytes(): number {
    return this.#storedBytes + this.#queuedBytes;
  }

  /** Whether what is yet to come of running work has room: below three quarters, on a disk that works. */
  get admits(): boolean {
    return this.#outage === undefined && this.bytes < admissionMark(this.#options.bytesMax);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get lastSequence(): number {
    return this.#nextSequence - 1;
  }

  /**
   * Resolves once the message, or an earlier one of the same id, is durable. One that `mayWait` goes out
   * with the next write, or by itself after COMPANY_WAIT_MS. Throws `audit_unavailable` when the log is
   * full, when too much waits for the disk, or on a disk error.
   */
  append(message: LogMessage | ValueMessage, mayWait = false): Promise<void> {
    const now = this.#options.clock.now();
    const known = this.#ids.find(message.id, now);
    if (known !== undefined) return known.stored;
    const record = new UnwrittenRecord(message, this.#nextSequence, now);
    const refusal = this.#refusal(record.length);
    if (refusal !== undefined) return Promise.reject(auditUnavailable(refusal));
    // Never used again, even if the write fails: its bytes may have reached the disk.
    this.#nextSequence += 1;
    const isFirst = this.#queue.length === 0;
    const { outcome } = this.#enqueue(record);
    this.#ids.add(message.id, outcome);
    if (!mayWait) this.#writeNow();
    else if (isFirst) {
      this.#callOffWait = this.#options.clock.after(COMPANY_WAIT_MS, () => this.#writeNow());
    }
    return outcome.stored;
  }

  /** Says that a retainer needs nothing of a sealed segment any more. The last one deletes it. */
  async release(segment: LogSegment, retainer: string): Promise<void> {
    const released = this.#released.get(segment) ?? new Set();
    this.#released.set(segment, released.add(retainer));
    if (!this.#options.retainers.every((name) => released.has(name))) return;
    const index = this.segments.indexOf(segment);
    if (index < 0) return;
    this.segments.splice(index, 1);
    this.#released.delete(segment);
    this.#storedBytes -= segment.size;
    await segment.remove().catch((error: unknown) => {
      this.#options.logger.error({ error, segment: segment.path }, 'cannot remove a log segment');
    });
  }

  /**
   * Begins a new segment where the last one holds records, so that this can be released. Throws when the
   * disk refuses.
   */
  async seal(): Promise<void> {
    while (this.#writing) await this.#writing;
    if (this.#closed || (this.segments.at(-1)?.size ?? 0) === 0) return;
    const rolling = this.#roll(this.#nextSequence);
    this.#writing = rolling
      .catch(() => {})
      .then(() => {
        this.#writing = undefined;
        if (this.#queue.length > 0) this.#writeNow();
      });
    await rolling;
  }

  /** Damage at these bytes of a segment: its file will be kept. */
  reportDamage(segment: LogSegment, start: number, end: number): void {
    const { logger } = this.#options;
    segment.damaged = true;
    logger.error({ segment: segment.path, start, end }, 'skipped damaged bytes in the log');
    this.#options.damaged(`segment ${segment.first} offset ${start}`);
  }

  /** Writes what was appended, then closes. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#probe);
    if (this.#queue.length > 0) this.#writeNow();
    // A seal is followed by what was appended meanwhile.
    while (this.#writing) await this.#writing;
    await Promise.all(this.segments.map((segment) => segment.close()));
  }

  async #load(segment: LogSegment, isLast: boolean): Promise<number> {
    this.segments.push(segment);
    const bytes = await segment.load();
    segment.sealed = !isLast || bytes.length >= this.#options.segmentBytesMax;
    let last = 0;
    for (const piece of scanRecords(bytes)) {
      if ('record' in piece) {
        last = piece.record.sequence;
        this.#ids.add(piece.record.id, { at: piece.record.storedAt, stored: STORED });
        this.#options.found(piece.record);
      } else if (piece.torn && isLast) {
        // Nobody was told that it is stored.
        await segment.truncate(piece.start);
      } else {
        this.reportDamage(segment, piece.start, piece.end);
        if (piece.end === bytes.length) segment.sealed = true;
      }
    }
    this.#storedBytes += segment.size;
    return last;
  }

  /** Why a record of so many bytes cannot be taken, or undefined. */
  #refusal(bytes: number): string | undefined {
    const { name, bytesMax, messageBytesMax } = this.#options;
    if (bytes > recordBytesMax(messageBytesMax)) {
      return `an event of ${bytes} bytes is too large for ${name}`;
    }
    if (this.#closed) return `${name} is closed`;
    if (this.#queuedBytes + bytes > QUEUED_BYTES_MAX) return 'too much waits for the disk';
    return this.bytes + bytes > bytesMax ? `${name} is full` : undefined;
  }

  #enqueue(record: UnwrittenRecord): WriteGroup {
    let group = this.#queue.at(-1);
    if (group === undefined || group.length + record.length > GROUP_BYTES_MAX) {
      group = new WriteGroup(record.storedAt);
      this.#queue.push(group);
    }
    group.add(record);
    this.#queuedBytes += record.length;
    return group;
  }

  /** Or with the write that follows the one under way. */
  #writeNow(): void {
    this.#callOffWait?.();
    this.#callOffWait = undefined;
    this.#writing ??= this.#writeQueue();
  }

  async #writeQueue(): Promise<void> {
    while (this.#queue.length > 0 && this.#callOffWait === undefined) {
      await nextTurnEnd();
      const group = this.#queue.shift() as WriteGroup;
      try {
        await this.#write(group);
        this.#recovered();
        group.succeeded();
      } catch (error) {
        this.#failed(error);
        const { code = 'unknown' } = error as NodeJS.ErrnoException;
        for (const { message } of group.records) this.#ids.forget(message.id);
        group.failed(auditUnavailable(`${this.#unwritable}: ${code}`, error));
      }
    }
    this.#writing = undefined;
  }

  async #write(group: WriteGroup): Promise<void> {
    let segment: LogSegment;
    let start: number;
    const { bytes, records } = group.encode();
    try {
      const active = this.segments.at(-1);
      if (!active || active.sealed || active.size >= this.#options.segmentBytesMax) {
        await this.#roll((group.records[0] as UnwrittenRecord).sequence);
      }
      segment = this.segments.at(-1) as LogSegment;
      start = segment.size;
      await segment.append(bytes);
      this.#storedBytes += bytes.length;
    } finally {
      this.#queuedBytes -= bytes.length;
    }
    for (const [index, { length }] of group.records.entries()) {
      const end = start + length;
      this.onStored({ record: records[index] as LogRecord, segment, start, end });
      start = end;
    }
  }

  /** The last one is sealed first, or an end that was made ready for records would look like damage. */
  async #roll(first: number): Promise<void> {
    const { directory, sync } = this.#options;
    await this.segments.at(-1)?.seal();
    this.segments.push(await LogSegment.create(directory, first, sync));
  }

  get #unwritable(): string {
    return `${this.#options.name} cannot be written`;
  }

  #failed(error: unknown): void {
    if (this.#outage === undefined) {
      this.#options.logger.error({ error }, this.#unwritable);
    }
    this.#outage = this.#unwritable;
    if (this.#probe || this.#closed) return;
    this.#probe = setInterval(() => void this.#tryDisk(), PROBE_INTERVAL_MS).unref();
  }

  /** A process that is not ready is sent nothing to store, so it would never see the disk recover. */
  async #tryDisk(): Promise<void> {
    const path = join(this.#options.directory, 'probe');
    try {
      await writeFile(path, Buffer.alloc(PROBE_BYTES), { flush: true });
      this.#recovered();
    } catch {
      // Still refusing: the next interval tries again.
    } finally {
      await rm(path, { force: true }).catch(() => {});
    }
  }

  #recovered(): void {
    clearInterval(this.#probe);
    this.#probe = undefined;
    if (this.#outage === undefined) return;
    this.#outage = undefined;
    this.#options.logger.warn({}, `${this.#options.name} can be written again`);
  }
}

/** Where little is to be done that is at once; where much is, more has come by then. */
function nextTurnEnd(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function auditUnavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('audit_unavailable', 'The request could not be recorded.', {
    detail,
    ...(cause !== undefined && { cause }),
  });
}
