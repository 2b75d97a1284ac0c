/**
 * Events that travel as one message: a line of JSON for each, behind a line `#{…}` with the headers of
 * its trace where it belongs to one. JSON holds no line end, so that an event alone is a pack too.
 *
 * A message, whatever is in it, is stored, acknowledged, delivered, acknowledged again and removed.
 */
import { hash } from 'node:crypto';
import { eventSubjectOfAll } from './subjects.ts';

export interface PackedEvent {
  /** Under which the event is stored once. */
  readonly id: string;
  /** On which the event would be published alone. */
  readonly subject: string;
  /** Trace context. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly bytes: Uint8Array;
}

export interface EventPack {
  /** The event's own where it is alone; else one that the same events, in this order, give again. */
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
}

/** An event of a pack as it came: its bytes are a view of the pack's, and unchecked. */
export interface OpenedEvent {
  readonly bytes: Uint8Array;
  /** The bytes of its headers; undefined where it has none. */
  readonly headers: Uint8Array | undefined;
}

/** Of a pack. A larger event may go alone. */
export const PACK_EVENTS_MAX = 64;
export const PACK_BYTES_MAX = 64 * 1024;

const LINE_END = 0x0a;
const LINE_END_BYTES = Buffer.of(LINE_END);
const HEADERS_MARK = 0x23;

/** What the event adds to a pack. */
export function packedBytes({ headers, bytes }: PackedEvent): number {
  return headersLine(headers).length + bytes.length + LINE_END_BYTES.length;
}

/** Of at least one event. The bounds are the caller's to keep. */
export function encodePack(events: readonly PackedEvent[]): EventPack {
  const [first] = events;
  if (first === undefined) throw new RangeError('a pack without an event');
  const payload = encodeLines(events);
  if (events.length === 1) return { id: first.id, subject: first.subject, payload };
  const id = hash('sha256', events.map((event) => event.id).join(), 'base64url');
  return { id, subject: eventSubjectOfAll(events), payload };
}

function encodeLines(events: readonly PackedEvent[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const { headers, bytes } of events) {
    if (pieces.length > 0) pieces.push(LINE_END_BYTES);
    const line = headersLine(headers);
    if (line !== '') pieces.push(Buffer.from(line));
    pieces.push(bytes);
  }
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
}

/** Headers are ASCII, so that the length of the line is that of its bytes. */
function headersLine(headers: PackedEvent['headers']): string {
  return Object.keys(headers).length === 0 ? '' : `#${JSON.stringify(headers)}\n`;
}

/**
 * The events of a message, in order, always at least one. What cannot be a pack of ours, for its count
 * or for headers without an event, is one event as a whole, to be judged by whoever reads it.
 */
export function openPack(payload: Uint8Array): readonly OpenedEvent[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const events: OpenedEvent[] = [];
  let headers: Uint8Array | undefined;
  for (let start = 0; start <= bytes.length; ) {
    const found = bytes.indexOf(LINE_END, start);
    const end = found === -1 ? bytes.length : found;
    const line = bytes.subarray(start, end);
    start = end + 1;
    if (line[0] === HEADERS_MARK && headers === undefined) {
      headers = line.subarray(1);
      continue;
    }
    events.push({ bytes: line, headers });
    headers = undefined;
    if (events.length > PACK_EVENTS_MAX) break;
  }
  const isPack = headers === undefined && events.length <= PACK_EVENTS_MAX;
  return isPack ? events : [{ bytes, headers: undefined }];
}
