/**
 * The spooled events of one process: a durable log in a directory that its owner holds, and after the
 * owner's death whoever adopts it. Events leave from the front, once they are settled.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { streams } from '@gateway/protocol';
import type { Clock } from '../calls/clock.ts';
import { HOLDER_FILE, LOCK_FILE, lockDirectory, tryLockDirectory } from '../log/directory-lock.ts';
import { DUPLICATE_IDS_MAX, DurableLog, type Logger } from '../log/durable-log.ts';
import { LogReader, type ReadRecord } from '../log/log-reader.ts';
import type { LogMessage } from '../log/log-record.ts';
import { DAMAGED_DIRECTORY, isSegment, type LogSegment } from '../log/log-segment.ts';

export interface SpoolDirectoryOptions {
  readonly path: string;
  /** Of all events in it. */
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Parts extends Pick<SpoolDirectoryOptions, 'path' | 'logger'> {
  readonly lock: AsyncDisposable;
  readonly log: DurableLog;
  /** Events that are there already. */
  readonly found: number;
}

/** A spool that is full frees a part of this size as soon as it was replayed. */
const SEGMENTS = 16;
/** The log's one reader. */
const RETAINER = 'replay';
/** Kept in memory until they are settled. */
const READ_COUNT_MAX = 64;

export class SpoolDirectory {
  readonly path: string;
  readonly #lock: AsyncDisposable;
  readonly #log: DurableLog;
  readonly #logger: Logger;
  readonly #reader: LogReader;
  readonly #removals = new Set<Promise<void>>();
  /** The oldest that are not settled, in order. */
  #oldest: ReadRecord[] = [];
  /** Segments that were read to their end, and hold events that are not settled. */
  readonly #passed = new Set<LogSegment>();
  #events = 0;
  #appending = 0;
  #stored = 0;

  private constructor(parts: Parts) {
    const { path, lock, log, found, logger } = parts;
    this.path = path;
    this.#lock = lock;
    this.#log = log;
    this.#logger = logger;
    this.#events = found;
    this.#reader = new LogReader(log, (segment) => {
      this.#passed.add(segment);
      this.#releaseSettled();
    });
    log.onStored = () => {
      this.#events += 1;
      this.#stored += 1;
    };
  }

  /** For this process. Throws when the directory cannot be made, or is held by another. */
  static async create(options: SpoolDirectoryOptions): Promise<SpoolDirectory> {
    return await SpoolDirectory.#open(
      options,
      await lockDirectory(options.path, 'GATEWAY_SPOOL_DIR'),
    );
  }

  /** One that another process made: undefined while that lives. Takes no further events. */
  static async adopt(options: SpoolDirectoryOptions): Promise<SpoolDirectory | undefined> {
    const lock = await tryLockDirectory(options.path);
    return lock && (await SpoolDirectory.#open(options, lock));
  }

  static async #open(
    { path, bytesMax, clock, logger }: SpoolDirectoryOptions,
    lock: AsyncDisposable,
  ): Promise<SpoolDirectory> {
    let found = 0;
    try {
      const log = await DurableLog.open({
        name: 'the spool',
        directory: path,
        bytesMax,
        segmentBytesMax: Math.ceil(bytesMax / SEGMENTS),
        messageBytesMax: streams.events.messageBytesMax,
        duplicateWindowMs: streams.events.duplicateWindowMs,
        duplicateIdsMax: DUPLICATE_IDS_MAX,
        sync: true,
        retainers: [RETAINER],
        sequenceMin: 0,
        clock,
        logger,
        found: () => {
          found += 1;
        },
        damaged: () => {},
      });
      return new SpoolDirectory({ path, lock, log, found, logger });
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether nothing waits, and nothing is about to. */
  get isEmpty(): boolean {
    return this.#events === 0 && this.#appending === 0;
  }

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#log.bytes;
  }

  /** Why nothing can be stored now, or undefined. */
  get outage(): string | undefined {
    return this.#log.outage;
  }

  /** Resolves once the event is on disk. Throws `audit_unavailable`. */
  async append(message: LogMessage): Promise<void> {
    this.#appending += 1;
    try {
      await this.#log.append(message);
    } finally {
      this.#appending -= 1;
    }
  }

  /**
   * The oldest events, at most so many, and never more than READ_COUNT_MAX; none when nothing waits.
   * They stay until they are settled.
   */
  async oldest(countMax: number): Promise<readonly LogMessage[]> {
    // Reads on behind those that could not be settled, which must not hold up the rest.
    if (this.#oldest.length < Math.min(countMax, READ_COUNT_MAX)) await this.#readOn();
    return this.#oldest.slice(0, countMax).map(({ record }) => record);
  }

  /** Lets these go. */
  async settle(settled: ReadonlySet<LogMessage>): Promise<void> {
    this.#oldest = this.#oldest.filter(({ record }) => !settled.has(record));
    this.#events -= settled.size;
    this.#releaseSettled();
    if (this.#events > 0) return;
    // So that everything that was replayed leaves the disk, and is not replayed by a successor.
    try {
      await this.#log.seal();
      if (this.#oldest.length === 0) await this.#readOn();
    } catch (error) {
      this.#logger.warn({ error, path: this.path }, 'replayed events cannot be removed yet');
    }
  }

  /** Gives up the directory, and removes it when nothing waits in it. */
  async close(): Promise<void> {
    await this.#log.close();
    await Promise.all(this.#removals);
    if (this.isEmpty) {
      for (const segment of this.#log.segments) if (segment.damaged) await segment.remove();
      await removeDirectory(this.path);
    }
    await this.#lock[Symbol.asyncDispose]();
  }

  async #readOn(): Promise<void> {
    const stored = this.#stored;
    const read = await this.#reader.next(READ_COUNT_MAX - this.#oldest.length);
    this.#oldest.push(...read);
    // What was damaged since it was counted is lost, and must not be waited for.
    if (read.length === 0 && stored === this.#stored) {
      this.#events = Math.min(this.#events, this.#oldest.length);
    }
  }

  #releaseSettled(): void {
    for (const segment of this.#passed) {
      if (this.#oldest.some((event) => event.segment === segment)) continue;
      this.#passed.delete(segment);
      this.#release(segment);
    }
  }

  #release(segment: LogSegment): void {
    const removal = this.#log.release(segment, RETAINER).finally(() => {
      this.#removals.delete(removal);
    });
    this.#removals.add(removal);
  }
}

/** Whether a process has begun to use the directory, after it took its lock. */
export async function isSpoolDirectory(path: string): Promise<boolean> {
  // Gone meanwhile, or no directory.
  const names = await readdir(path).catch(() => []);
  return names.some(isSegment);
}

/** What is damaged stays for somebody to look at. The lock goes last. */
async function removeDirectory(path: string): Promise<void> {
  const names = await readdir(path);
  const locks = [LOCK_FILE, HOLDER_FILE];
  const rest = names.filter((name) => !locks.includes(name) && name !== DAMAGED_DIRECTORY);
  for (const name of [...rest, ...locks]) await rm(join(path, name), { force: true });
  // It may have been looked at by a process that adopts what has no owner.
  if (!names.includes(DAMAGED_DIRECTORY)) await rmdir(path).catch(() => {});
}
