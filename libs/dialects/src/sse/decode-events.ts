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

export class EventDecoder {
  /**
   * What has come and was not given out is `#start` to `#end`; up to `#scanned` it was looked at.
   */
  #buffer: Uint8Array<ArrayBufferLike> = new Uint8Array(INITIAL_BYTES);
  #start = 0;
  #end = 0;
  #scanned = 0;
  #lineStart = 0;

  /** Throws `provider_bad_response` for an event over the bound or one that is not UTF-8. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    this.#append(bytes);
    const events: ServerSentEvent[] = [];
    for (let end = this.#nextEnd(); end !== undefined; end = this.#nextEnd()) {
      events.push(this.#takeEvent(end));
    }
    if (this.#end - this.#start > EVENT_BYTES_MAX) throw eventTooLong();
    return events;
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
    if (this.#end + bytes.length > this.#buffer.length) {
      const needed = length + bytes.length;
      const target =
        needed > this.#buffer.length / 2
          ? new Uint8Array(Math.max(needed * 2, INITIAL_BYTES))
          : this.#buffer;
      target.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = target;
      this.#scanned -= this.#start;
      this.#lineStart -= this.#start;
      this.#start = 0;
      this.#end = length;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Where the next event ends, behind its empty line. */
  #nextEnd(): number | undefined {
    while (this.#scanned < this.#end) {
      const byte = this.#buffer[this.#scanned];
      if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) {
        this.#scanned += 1;
        continue;
      }
      if (byte === CARRIAGE_RETURN && this.#scanned + 1 === this.#end) return undefined;
      const isEmpty = this.#scanned === this.#lineStart;
      const isPair = byte === CARRIAGE_RETURN && this.#buffer[this.#scanned + 1] === LINE_FEED;
      this.#scanned += isPair ? 2 : 1;
      this.#lineStart = this.#scanned;
      if (isEmpty) return this.#scanned;
    }
    return undefined;
  }

  #takeEvent(end: number): ServerSentEvent {
    if (end - this.#start > EVENT_BYTES_MAX) throw eventTooLong();
    const raw = this.#buffer.slice(this.#start, end);
    this.#start = end;
    this.#scanned = end;
    this.#lineStart = end;
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
  for (const line of text.split(/\r\n|\r|\n/)) {
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
