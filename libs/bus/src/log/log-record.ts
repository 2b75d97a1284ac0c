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

export interface LogMessage {
  /** Under which the message is stored once. */
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

export interface LogRecord extends LogMessage {
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly storedAt: number;
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

export function encodeRecord(message: LogMessage, sequence: number, storedAt: number): Buffer {
  const { id, subject, headers } = message;
  const details = Buffer.from(JSON.stringify({ id, subject, headers }));
  const payloadBytes = FIXED_PAYLOAD_BYTES + details.length + message.bytes.length;
  const record = Buffer.allocUnsafe(PREFIX_BYTES + payloadBytes);
  const payload = record.subarray(PREFIX_BYTES);
  payload.writeDoubleLE(sequence, 0);
  payload.writeDoubleLE(storedAt, 8);
  payload.writeUInt32LE(details.length, 16);
  payload.set(details, FIXED_PAYLOAD_BYTES);
  payload.set(message.bytes, FIXED_PAYLOAD_BYTES + details.length);
  record.writeUInt32LE(payloadBytes, 0);
  record.writeUInt32LE(crc32(payload), 4);
  return record;
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
