/**
 * Server-sent events from bytes, split anywhere.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * Bytes become text only when a whole event is there, so a character cut in two is put together
 * again. A carriage return at the end of what has come waits for the byte after it, which may
 * belong to it.
 */
import { GatewayError } from '@gateway/protocol';
import { decodeUtf8 } from '../json/read-json.ts';

/**
 * Bytes of one event. The longest that was recorded has 19 KB; vendors send images in one event,
 * and a provider must not be able to fill the memory with a line that never ends.
 */
export const EVENT_BYTES_MAX = 8 * 1024 * 1024;

export interface ServerSentEvent {
  /** The event as it came, with the empty line that ends it. */
  readonly raw: Uint8Array;
  /** The lines of data joined; undefined for comments and empty events. */
  readonly data: string | undefined;
  /** The event's type when it names one. */
  readonly type: string | undefined;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const INITIAL_BYTES = 16 * 1024;
const NO_BYTES = new Uint8Array();

export class EventDecoder {
  /**
   * What has come and was not given out is `#start` to `#end`; up to `#scanned` it was looked at.
   * Most reads hold whole events: they are looked at where they are, and their events are views of
   * them. The start of an event whose rest has yet to come is copied to a buffer of our own.
   */
  #buffer: Uint8Array = NO_BYTES;
  #own: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  #scanned = 0;
  #lineStart = 0;

  /** Whether everything that came was given out, so that what comes next is the start of an event. */
  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /**
   * The bytes must not change any more. Throws `provider_bad_response` for an event over the bound
   * or one that is not UTF-8.
   */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    this.#append(bytes);
    for (let event = this.#next(); event !== undefined; event = this.#next()) events.push(event);
    return events;
  }

  /** As `push`, but the first event alone; the others are in the rest. */
  first(bytes: Uint8Array): ServerSentEvent | undefined {
    this.#append(bytes);
    return this.#next();
  }

  /** What has come behind the last event that was given out, which has not come then. */
  takeRest(): Uint8Array {
    const rest = this.#isOwn
      ? this.#buffer.slice(this.#start, this.#end)
      : this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#scanned = this.#end;
    this.#lineStart = this.#end;
    return rest;
  }

  /**
   * What is left when the stream has ended: some servers leave out the last empty line. It is given
   * out when its data is whole, which `isWhole` judges, and is otherwise the trace of a cut.
   */
  end(isWhole: (data: string) => boolean): ServerSentEvent | undefined {
    const raw = this.#buffer.slice(this.#start, this.#end);
    this.#start = this.#end;
    const text = decodeUtf8(raw);
    if (text === undefined) return undefined;
    const fields = fieldsOf(text);
    return fields.data !== undefined && isWhole(fields.data) ? { raw, ...fields } : undefined;
  }

  #append(bytes: Uint8Array): void {
    const length = this.#end - this.#start;
    if (length === 0) {
      this.#hold(bytes, bytes.length);
      return;
    }
    if (!this.#isOwn || this.#end + bytes.length > this.#buffer.length) {
      const needed = length + bytes.length;
      if (needed > this.#own.length / 2) {
        this.#own = new Uint8Array(Math.max(needed * 2, INITIAL_BYTES));
      }
      this.#own.set(this.#buffer.subarray(this.#start, this.#end));
      this.#hold(this.#own, length);
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  get #isOwn(): boolean {
    return this.#buffer === this.#own;
  }

  /** What was held lies at the start of `buffer` now. */
  #hold(buffer: Uint8Array, length: number): void {
    this.#buffer = buffer;
    this.#scanned -= this.#start;
    this.#lineStart -= this.#start;
    this.#start = 0;
    this.#end = length;
  }

  #next(): ServerSentEvent | undefined {
    const end = this.#nextEnd();
    if (end !== undefined) return this.#takeEvent(end);
    if (this.#end - this.#start > EVENT_BYTES_MAX) throw eventTooLong();
    return undefined;
  }

  /** Where the next event ends, behind its empty line. */
  #nextEnd(): number | undefined {
    const buffer = this.#buffer;
    const end = this.#end;
    let at = this.#scanned;
    let lineStart = this.#lineStart;
    let eventEnd: number | undefined;
    while (at < end && eventEnd === undefined) {
      const byte = buffer[at];
      if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) {
        at += 1;
        continue;
      }
      if (byte === CARRIAGE_RETURN && at + 1 === end) break;
      const isEmpty = at === lineStart;
      at += byte === CARRIAGE_RETURN && buffer[at + 1] === LINE_FEED ? 2 : 1;
      lineStart = at;
      if (isEmpty) eventEnd = at;
    }
    this.#scanned = at;
    this.#lineStart = lineStart;
    return eventEnd;
  }

  #takeEvent(end: number): ServerSentEvent {
    if (end - this.#start > EVENT_BYTES_MAX) throw eventTooLong();
    const raw = this.#isOwn
      ? this.#buffer.slice(this.#start, end)
      : this.#buffer.subarray(this.#start, end);
    this.#start = end;
    const text = decodeUtf8(raw);
    if (text === undefined) {
      throw new GatewayError('provider_bad_response', 'The provider sent text that is not UTF-8.');
    }
    return { raw, ...fieldsOf(text) };
  }
}

function fieldsOf(text: string): Pick<ServerSentEvent, 'data' | 'type'> {
  const data: string[] = [];
  let type: string | undefined;
  // Few servers write carriage returns, and without them the expression need not run.
  for (const line of text.split(text.includes('\r') ? /\r\n|\r|\n/ : '\n')) {
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    if (name !== 'data' && name !== 'event') continue;
    const rest = colon === -1 ? '' : line.slice(colon + 1);
    const value = rest.startsWith(' ') ? rest.slice(1) : rest;
    if (name === 'data') data.push(value);
    else type = value;
  }
  return { data: data.length === 0 ? undefined : data.join('\n'), type };
}

function eventTooLong(): GatewayError {
  return new GatewayError('provider_bad_response', 'The provider sent an event that is too long.', {
    detail: `an event has more than ${EVENT_BYTES_MAX} bytes`,
  });
}
