import type { DurableLog, StoredRecord } from './durable-log.ts';
import { decodeRecord, type LogRecord, scanRecords } from './log-record.ts';
import type { LogSegment } from './log-segment.ts';

/** One read of the disk; more than the largest record. */
const READ_BYTES = 1024 * 1024;

export interface ReadRecord {
  readonly record: LogRecord;
  readonly segment: LogSegment;
}

/** Reads a log from its oldest record on, each record once. */
export class LogReader {
  readonly #log: DurableLog;
  readonly #passed: (segment: LogSegment) => void;
  #segment: LogSegment | undefined;
  #offset = 0;
  #sequence = 0;
  #reading = false;

  /** `passed` is called when everything of a sealed segment has been read. */
  constructor(log: DurableLog, passed: (segment: LogSegment) => void) {
    this.#log = log;
    this.#passed = passed;
  }

  /**
   * Takes a record that was just stored as read, if it is the next one: who has read everything before
   * needs no disk. False when it must be read like any other.
   */
  take({ record, segment, start, end }: StoredRecord): boolean {
    if (this.#reading || segment !== this.#segment || start !== this.#offset) return false;
    this.#offset = end;
    this.#sequence = record.sequence;
    return true;
  }

  /** The next records, 1 to `countMax`; none when all that is durable has been read. */
  async next(countMax: number): Promise<ReadRecord[]> {
    this.#reading = true;
    try {
      return await this.#next(countMax);
    } finally {
      this.#reading = false;
    }
  }

  async #next(countMax: number): Promise<ReadRecord[]> {
    for (;;) {
      const segment = this.#segment ?? this.#enter(this.#log.segments[0]);
      if (!segment) return [];
      const durableEnd = segment.size;
      const following = this.#log.segments[this.#log.segments.indexOf(segment) + 1];
      if (this.#offset < durableEnd) {
        const records = await this.#read(segment, durableEnd, countMax);
        if (records.length > 0) return records;
      } else if (segment.sealed && following && this.#offset >= segment.size) {
        this.#enter(following);
        this.#passed(segment);
      } else {
        return [];
      }
    }
  }

  #enter(segment: LogSegment | undefined): LogSegment | undefined {
    this.#segment = segment;
    this.#offset = 0;
    return segment;
  }

  async #read(segment: LogSegment, durableEnd: number, countMax: number): Promise<ReadRecord[]> {
    const start = this.#offset;
    const bytes = await segment.read(start, Math.min(READ_BYTES, durableEnd - start));
    const records: ReadRecord[] = [];
    while (records.length < countMax) {
      const found = decodeRecord(bytes, this.#offset - start, this.#sequence);
      if (!found) break;
      this.#sequence = found.record.sequence;
      this.#offset = start + found.end;
      // A copy: a record that waits long must not keep the whole read in memory.
      const record = { ...found.record, bytes: Buffer.from(found.record.bytes) };
      records.push({ record, segment });
    }
    // A read holds more than one record, so that none at its start means damage.
    if (records.length === 0) await this.#skipDamage(segment, durableEnd);
    return records;
  }

  async #skipDamage(segment: LogSegment, durableEnd: number): Promise<void> {
    const start = this.#offset;
    const rest = await segment.read(start, durableEnd - start);
    const [first, second] = scanRecords(rest, 0, this.#sequence);
    const valid = [first, second].find((piece) => piece !== undefined && 'record' in piece);
    this.#offset = valid ? start + valid.start : durableEnd;
    if (this.#offset > start) this.#log.reportDamage(segment, start, this.#offset);
  }
}
