/**
 * One durable consumer of the event log: which events are settled, which are out for handling, and
 * which wait to be handed out again. Its subscriptions take batches from it.
 *
 *     log ──stored, read──▶ ready ──take──▶ delivered ──acknowledge, quarantine──▶ settled
 *                             ▲                 │
 *                             └──── waiting ◀───┘ retry, a handler that threw, no answer in time
 *
 * A record that is stored is ready at once where everything before it has been read, and is read from
 * the disk only behind those that were not.
 *
 * It holds its interest in the log from the start, so that nothing published before the first
 * subscription is missed.
 */
import { type ConsumerDefinition, headers as headerNames, subjects } from '@gateway/protocol';
import { InFlight } from '@gateway/runtime';
import type { Backlog } from '../bus.ts';
import type { Clock } from '../calls/clock.ts';
import type { DurableLog, Logger, StoredRecord } from '../log/durable-log.ts';
import { LogReader, type ReadRecord } from '../log/log-reader.ts';
import type { LogMessage, LogRecord } from '../log/log-record.ts';
import type { LogSegment } from '../log/log-segment.ts';
import { ConsumerCursor, type CursorState } from './consumer-cursor.ts';
import { subjectMatches } from './subject-filter.ts';

export interface DurableConsumerOptions {
  readonly definition: ConsumerDefinition;
  readonly cursorPath: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A segment and how many of its events are not settled. */
interface SegmentShare {
  readonly segment: LogSegment;
  unsettled: number;
  /** Whether all of it has been read. */
  isPassed: boolean;
}

/** An event that is not settled, or was not when somebody was given it. */
export interface UnsettledEvent {
  readonly record: LogRecord;
  readonly share: SegmentShare;
  /** Among those that are not settled. */
  place: number;
  /** How often it was handed out; tells one delivery from a later one. */
  deliveries: number;
  state: 'ready' | 'delivered' | 'waiting' | 'settled';
}

interface Waiter {
  /** Not woken below so many events that are ready, unless something has to be read. */
  readonly readyMin: number;
  wake(): void;
}

/** Unsettled events are in memory: no more are read beyond this, whatever `pendingMax` allows. */
const UNSETTLED_BYTES_MAX = 32 * 1024 * 1024;

export class DurableConsumer {
  readonly definition: ConsumerDefinition;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly #cursor: ConsumerCursor;
  readonly #unsettled = new InFlight<UnsettledEvent>();
  readonly #ready: UnsettledEvent[] = [];
  /** Of segments that are not released, the one that is read last. */
  #shares: SegmentShare[] = [];
  /** A few at most. */
  #waiters: Waiter[] = [];
  readonly #timers = new InFlight<() => void>();
  /** The stored state: what was unsettled below its position, found in the log and not yet read. */
  readonly #restored = new Set<number>();
  #stored: CursorState = { position: 0, unsettled: [] };
  #storedUnsettled = new Set<number>();
  #position = 0;
  #pending = 0;
  #unsettledBytes = 0;
  #quarantined = 0;
  #version = 0;
  /** By subject; the kinds of events are few. */
  readonly #isWanted = new Map<string, boolean>();
  #filling: Promise<void> | undefined;
  #log: DurableLog | undefined;
  #reader: LogReader | undefined;
  #quarantine: DurableLog | undefined;

  private constructor(options: DurableConsumerOptions) {
    this.definition = options.definition;
    this.clock = options.clock;
    this.logger = options.logger;
    const { cursorPath: path, clock, logger } = options;
    this.#cursor = new ConsumerCursor({ path, clock, logger, state: () => this.#state() });
  }

  /** Reads where the consumer was. The log's records are then shown to `found`, before `start`. */
  static async restore(options: DurableConsumerOptions): Promise<DurableConsumer> {
    const consumer = new DurableConsumer(options);
    consumer.#stored = (await consumer.#cursor.load()) ?? consumer.#stored;
    consumer.#position = consumer.#stored.position;
    consumer.#storedUnsettled = new Set(consumer.#stored.unsettled);
    return consumer;
  }

  /** The highest sequence that it has seen in its life. */
  get position(): number {
    return this.#position;
  }

  get readyCount(): number {
    return this.#ready.length;
  }

  /** Changes whenever there may be something new to take. */
  get version(): number {
    return this.#version;
  }

  found(record: LogRecord): void {
    if (!this.#wants(record.subject)) return;
    if (this.#storedUnsettled.has(record.sequence)) this.#restored.add(record.sequence);
    else if (record.sequence <= this.#stored.position) return;
    this.#pending += 1;
  }

  start(log: DurableLog, quarantine: DurableLog): void {
    this.#log = log;
    this.#quarantine = quarantine;
    this.#reader = new LogReader(log, (segment) => this.#passSegment(segment));
  }

  /** A record became durable. */
  stored(stored: StoredRecord): void {
    const isWanted = this.#wants(stored.record.subject);
    if (isWanted) this.#pending += 1;
    if (this.#hasRoom && this.#reader?.take(stored)) {
      this.#took(stored);
      this.#signal(this.#ready.length);
    } else if (isWanted) {
      this.signal();
    }
  }

  foundInQuarantine(subject: string): void {
    if (subject === subjects.quarantine(this.definition.durable)) this.#quarantined += 1;
  }

  backlog(): Backlog {
    return { pending: this.#pending, quarantined: this.#quarantined };
  }

  /** Wakes everybody that waits: there may be something to be read, or nothing to wait for. */
  signal(): void {
    this.#signal(Number.POSITIVE_INFINITY);
  }

  /** Resolves when so many are ready, at the first signal after `version`, or after the time. */
  changed(version: number, readyMin: number, timeoutMs?: number): Promise<void> {
    if (this.#version !== version) return Promise.resolve();
    return new Promise((resolve) => {
      let callOff = () => {};
      const waiter = {
        readyMin,
        wake: () => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          callOff();
          resolve();
        },
      };
      this.#waiters.push(waiter);
      if (timeoutMs !== undefined) callOff = this.after(timeoutMs, waiter.wake);
    });
  }

  /** As the clock's, until the consumer is closed. */
  after(delayMs: number, task: () => void): () => void {
    const end = () => {
      this.#timers.delete(place, end);
      callOff();
    };
    const callOff = this.clock.after(delayMs, () => {
      this.#timers.delete(place, end);
      task();
    });
    const place = this.#timers.add(end);
    return end;
  }

  /** Reads on until so many are ready, nothing is left, or too much is unsettled. */
  async fill(readyMin: number): Promise<void> {
    this.#filling ??= this.#read(readyMin).finally(() => {
      this.#filling = undefined;
    });
    await this.#filling;
  }

  /** At most so many events, now delivered. */
  take(countMax: number): UnsettledEvent[] {
    const events = this.#ready.splice(0, countMax);
    for (const event of events) {
      event.deliveries += 1;
      event.state = 'delivered';
    }
    return events;
  }

  settle(event: UnsettledEvent): void {
    if (event.state === 'settled') return;
    if (event.state === 'ready') this.#ready.splice(this.#ready.indexOf(event), 1);
    event.state = 'settled';
    this.#unsettled.delete(event.place, event);
    this.#pending -= 1;
    this.#unsettledBytes -= event.record.bytes.length;
    event.share.unsettled -= 1;
    if (event.share.isPassed) this.#releaseSettled(event.share);
    this.#cursor.changed();
    // It may have been one too many to read on.
    this.signal();
  }

  /** Hands the event out again after the delay, if that delivery is still the last one. */
  retry(event: UnsettledEvent, delivery: number, delayMs: number): void {
    if (event.state !== 'delivered' || event.deliveries !== delivery) return;
    event.state = 'waiting';
    this.after(delayMs, () => {
      if (event.state === 'settled') return;
      event.state = 'ready';
      this.#ready.push(event);
      this.#signal(this.#ready.length);
    });
  }

  /** Resolves once the event and the reason are stored in the quarantine. */
  async keepAside(record: LogRecord, reason: string): Promise<void> {
    const { id, sequence, subject, headers, bytes } = record;
    const why = { [headerNames.quarantineReason]: reason, [headerNames.originalSubject]: subject };
    await this.#quarantineMessage({
      id: `${this.definition.durable}:${sequence}:${id}`,
      subject: subjects.quarantine(this.definition.durable),
      headers: { ...headers, ...why },
      bytes,
    });
  }

  /** Lost bytes of the log count as quarantined: what they were is not known. */
  async keepDamageAside(place: string): Promise<void> {
    try {
      await this.#quarantineMessage({
        id: `${this.definition.durable}:${place}`,
        subject: subjects.quarantine(this.definition.durable),
        headers: { [headerNames.quarantineReason]: `${place} of the event log is damaged` },
        bytes: new Uint8Array(),
      });
    } catch (error) {
      this.logger.error({ error, place }, 'damage of the event log is not counted');
    }
  }

  async close(): Promise<void> {
    for (const end of [...this.#timers]) end();
    await this.#filling;
    await this.#cursor.save();
  }

  async #quarantineMessage(message: LogMessage): Promise<void> {
    const before = this.#quarantine?.lastSequence;
    const stored = this.#quarantine?.append(message);
    // One that is there already takes no sequence.
    const isNew = this.#quarantine?.lastSequence !== before;
    await stored;
    if (isNew) this.#quarantined += 1;
  }

  #wants(subject: string): boolean {
    let isWanted = this.#isWanted.get(subject);
    if (isWanted === undefined) {
      isWanted = subjectMatches(this.definition.filter, subject);
      this.#isWanted.set(subject, isWanted);
    }
    return isWanted;
  }

  #signal(readyCount: number): void {
    this.#version += 1;
    // Each that is woken leaves the list, which is another one from then on.
    for (const waiter of this.#waiters) if (readyCount >= waiter.readyMin) waiter.wake();
  }

  get #hasRoom(): boolean {
    const { pendingMax } = this.definition;
    return this.#unsettled.size < pendingMax && this.#unsettledBytes < UNSETTLED_BYTES_MAX;
  }

  async #read(readyMin: number): Promise<void> {
    const { pendingMax } = this.definition;
    while (this.#ready.length < readyMin && this.#unsettledBytes < UNSETTLED_BYTES_MAX) {
      const free = Math.min(pendingMax - this.#unsettled.size, readyMin - this.#ready.length);
      if (free <= 0) return;
      const records = (await this.#reader?.next(free)) ?? [];
      if (records.length === 0) return;
      for (const read of records) this.#took(read);
    }
  }

  #took({ record, segment }: ReadRecord): void {
    const { sequence } = record;
    this.#position = Math.max(this.#position, sequence);
    const isSettled = sequence <= this.#stored.position && !this.#restored.delete(sequence);
    if (isSettled || !this.#wants(record.subject)) return;
    const share = this.#shareOf(segment);
    const event: UnsettledEvent = { record, share, place: -1, deliveries: 0, state: 'ready' };
    event.place = this.#unsettled.add(event);
    this.#unsettledBytes += record.bytes.length;
    share.unsettled += 1;
    this.#ready.push(event);
  }

  #shareOf(segment: LogSegment): SegmentShare {
    const last = this.#shares.at(-1);
    if (last?.segment === segment) return last;
    const share = { segment, unsettled: 0, isPassed: false };
    this.#shares.push(share);
    return share;
  }

  #passSegment(segment: LogSegment): void {
    const share = this.#shareOf(segment);
    share.isPassed = true;
    this.#releaseSettled(share);
  }

  #releaseSettled(share: SegmentShare): void {
    if (share.unsettled > 0) return;
    this.#shares = this.#shares.filter((other) => other !== share);
    void this.#log?.release(share.segment, this.definition.durable);
  }

  #state(): CursorState {
    const unsettled = [...this.#restored];
    for (const { record } of this.#unsettled) unsettled.push(record.sequence);
    return { position: this.#position, unsettled };
  }
}
