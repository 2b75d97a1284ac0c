/**
 * Bytes of one stored message and the search for messages in a segment:
 *
 *     0..3           4..7              8..
 *     length u32 LE  CRC-32 u32 LE     payload of that length and checksum
 *
 *     payload: sequence f64 LE, stored at (ms since 1970) f64 LE, details length u32 LE,
 *              details (JSON: id, subject, headers), bytes of the message
 *
 * Sequences grow from record to record, so that a reader finds its way again behind damaged bytes.
 */
import { crc32 } from 'node:zlib';

interface MessageDetails {
  /** Under which the message is stored once. */
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LogMessage extends MessageDetails {
  readonly bytes: Uint8Array;
}

/** A message whose bytes are the text of a value, made when it is written. */
export interface ValueMessage extends MessageDetails {
  /** The value as JSON. */
  readonly text: string;
  readonly value: unknown;
}

export interface LogRecord extends LogMessage {
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly storedAt: number;
  /** What the bytes say, where this process has written them from it and nobody has read it. */
  value?: unknown;
}

/** A record and where it lies in its segment. */
export interface PlacedRecord {
  readonly record: LogRecord;
  readonly start: number;
  readonly end: number;
}

/** Bytes that are no record. `torn` when they are what an interrupted write leaves at the end. */
export interface Damage {
  readonly start: number;
  readonly end: number;
  readonly torn: boolean;
}

const PREFIX_BYTES = 8;
const FIXED_PAYLOAD_BYTES = 20;
/** Of the details of a message: two short names and the headers of a trace context. */
export const DETAILS_BYTES_MAX = 16 * 1024;

/** A record that is still to be written. */
export class UnwrittenRecord {
  readonly message: LogMessage | ValueMessage;
  readonly sequence: number;
  readonly storedAt: number;
  /** All that it takes in a segment. */
  readonly length: number;
  readonly #details: string;
  readonly #detailsLength: number;

  constructor(message: LogMessage | ValueMessage, sequence: number, storedAt: number) {
    this.message = message;
    this.sequence = sequence;
    this.storedAt = storedAt;
    this.#details = detailsText(message);
    this.#detailsLength = Buffer.byteLength(this.#details);
    const { length } =
      'text' in message ? { length: Buffer.byteLength(message.text) } : message.bytes;
    this.length = PREFIX_BYTES + FIXED_PAYLOAD_BYTES + this.#detailsLength + length;
  }

  /** Writes itself to where it starts. What it gives has a view of the target. */
  writeTo(target: Buffer, start: number): LogRecord {
    const { message, sequence, storedAt } = this;
    const { id, subject, headers } = message;
    const payloadStart = start + PREFIX_BYTES;
    const detailsStart = payloadStart + FIXED_PAYLOAD_BYTES;
    const bytesStart = detailsStart + this.#detailsLength;
    const end = start + this.length;
    target.writeUInt32LE(end - payloadStart, start);
    target.writeDoubleLE(sequence, payloadStart);
    target.writeDoubleLE(storedAt, payloadStart + 8);
    target.writeUInt32LE(this.#detailsLength, payloadStart + 16);
    target.write(this.#details, detailsStart);
    const isValue = 'text' in message;
    if (isValue) target.write(message.text, bytesStart);
    else target.set(message.bytes, bytesStart);
    target.writeUInt32LE(crc32(target.subarray(payloadStart, end)), start + 4);
    const bytes = target.subarray(bytesStart, end);
    const value = isValue ? message.value : undefined;
    return { id, subject, headers, bytes, sequence, storedAt, value };
  }
}

const NO_HEADERS = '{}';

function detailsText({ id, subject, headers }: MessageDetails): string {
  let headersText = NO_HEADERS;
  for (const _ in headers) {
    headersText = JSON.stringify(headers);
    break;
  }
  return `{"id":${JSON.stringify(id)},"subject":${JSON.stringify(subject)},"headers":${headersText}}`;
}

export function encodeRecord(message: LogMessage, sequence: number, storedAt: number): Buffer {
  const record = new UnwrittenRecord(message, sequence, storedAt);
  const target = Buffer.allocUnsafe(record.length);
  record.writeTo(target, 0);
  return target;
}

/** Bytes that a message of this size takes, its details counted at their bound. */
export function recordBytesMax(messageBytesMax: number): number {
  return PREFIX_BYTES + FIXED_PAYLOAD_BYTES + DETAILS_BYTES_MAX + messageBytesMax;
}

/** The record at `start`, or undefined where no whole one with a sequence above `after` begins. */
export function decodeRecord(
  bytes: Buffer,
  start: number,
  after: number,
): PlacedRecord | undefined {
  const end = recordEnd(bytes, start);
  if (end === undefined || end > bytes.length) return undefined;
  const payload = bytes.subarray(start + PREFIX_BYTES, end);
  const sequence = payload.readDoubleLE(0);
  // Checked before the checksum: a search tries every offset.
  if (!Number.isSafeInteger(sequence) || sequence <= after) return undefined;
  const bytesStart = FIXED_PAYLOAD_BYTES + payload.readUInt32LE(16);
  if (bytesStart > payload.length) return undefined;
  if (crc32(payload) !== bytes.readUInt32LE(start + 4)) return undefined;
  const details: Pick<LogRecord, 'id' | 'subject' | 'headers'> = JSON.parse(
    payload.toString('utf8', FIXED_PAYLOAD_BYTES, bytesStart),
  );
  return {
    record: {
      ...details,
      sequence,
      storedAt: payload.readDoubleLE(8),
      bytes: payload.subarray(bytesStart),
    },
    start,
    end,
  };
}

/** Where the record that starts here says it ends, or undefined where it cannot be read. */
function recordEnd(bytes: Buffer, start: number): number | undefined {
  if (start + PREFIX_BYTES + FIXED_PAYLOAD_BYTES > bytes.length) return undefined;
  const payloadBytes = bytes.readUInt32LE(start);
  return payloadBytes < FIXED_PAYLOAD_BYTES ? undefined : start + PREFIX_BYTES + payloadBytes;
}

/** Every record of a segment in order, and the damage between them. */
export function* scanRecords(bytes: Buffer, from = 0, after = 0): Generator<PlacedRecord | Damage> {
  let offset = from;
  let sequence = after;
  while (offset < bytes.length) {
    let found = decodeRecord(bytes, offset, sequence);
    if (!found && !isBlank(bytes, offset)) found = nextRecord(bytes, offset, sequence);
    if (!found) {
      yield { start: offset, end: bytes.length, torn: isTorn(bytes, offset) };
      return;
    }
    if (found.start > offset) yield { start: offset, end: found.start, torn: false };
    yield found;
    offset = found.end;
    sequence = found.record.sequence;
  }
}

function nextRecord(bytes: Buffer, from: number, after: number): PlacedRecord | undefined {
  for (let start = from + 1; start < bytes.length; start += 1) {
    const found = decodeRecord(bytes, start, after);
    if (found) return found;
  }
  return undefined;
}

/**
 * A write that was cut short: its end is behind the file's, or a sector of it is one of the zeros that
 * were there before, since a disk keeps no order among the sectors of a write. Records end with JSON,
 * never with a zero.
 */
function isTorn(bytes: Buffer, start: number): boolean {
  if (bytes.length - start < PREFIX_BYTES + FIXED_PAYLOAD_BYTES) return true;
  const end = recordEnd(bytes, start);
  if (end === undefined) return isBlank(bytes.subarray(start, nextSector(start)));
  return end > bytes.length || bytes[end - 1] === 0 || hasBlankSector(bytes, start, end);
}

const SECTOR_BYTES = 512;

function hasBlankSector(bytes: Buffer, from: number, end: number): boolean {
  for (let start = from; start < end; start = nextSector(start)) {
    if (isBlank(bytes.subarray(start, Math.min(nextSector(start), end)))) return true;
  }
  return false;
}

function nextSector(offset: number): number {
  return offset - (offset % SECTOR_BYTES) + SECTOR_BYTES;
}

const BLANK = Buffer.alloc(64 * 1024);

function isBlank(bytes: Buffer, from = 0): boolean {
  for (let start = from; start < bytes.length; start += BLANK.length) {
    const end = Math.min(start + BLANK.length, bytes.length);
    if (!bytes.subarray(start, end).equals(BLANK.subarray(0, end - start))) return false;
  }
  return true;
}
