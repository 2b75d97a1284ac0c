/**
 * Rows as the binary form of COPY: the database takes them without parsing a text or planning a
 * statement, in a third of the time of an INSERT.
 * @see https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
 */

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Signature, flags, and the length of an extension that there is not. */
const HEADER_BYTES = SIGNATURE.length + 8;
/** In the place of the number of fields of a row. */
const TRAILER = -1;
const TRAILER_BYTES = 2;
const NULL_LENGTH = -1;
const TEXT_OID = 25;
/** 2000-01-01, from where PostgreSQL counts. */
const EPOCH_MS = 946_684_800_000;
const DAY_MS = 86_400_000;
const TWO_TO_32 = 2 ** 32;
const HYPHEN = 0x2d;
/** The largest number of bytes of one character of UTF-16 in UTF-8. */
const UTF8_BYTES_MAX = 3;
/** More than any value that is no text. */
const SCALAR_BYTES_MAX = 32;
const BYTES_AT_FIRST = 16 * 1024;

type Absent = null | undefined;

/** Rows lie between two positions of a writer. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Writes row after row, field after field; what is absent is null. */
export class CopyWriter {
  #bytes = Buffer.from(new ArrayBuffer(BYTES_AT_FIRST));
  #at = 0;

  /** Where the next row begins. */
  get position(): number {
    return this.#at;
  }

  /** All that was written, in the order of these, as the database takes it. The writer begins anew. */
  take(spans: readonly Span[]): Uint8Array<ArrayBuffer> {
    const file = Buffer.from(new ArrayBuffer(HEADER_BYTES + this.#at + TRAILER_BYTES));
    SIGNATURE.copy(file);
    let at = HEADER_BYTES;
    for (const { start, end } of spans) at += this.#bytes.copy(file, at, start, end);
    file.writeInt16BE(TRAILER, at);
    this.#at = 0;
    return file.subarray(0, at + TRAILER_BYTES);
  }

  /** Begins a row of so many fields. */
  row(fields: number): void {
    this.#reserve(SCALAR_BYTES_MAX);
    this.#at = this.#bytes.writeInt16BE(fields, this.#at);
  }

  boolean(value: boolean | Absent): void {
    if (this.#isAbsent(value)) return;
    this.#scalar(1);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  integer(value: number | Absent): void {
    if (this.#isAbsent(value)) return;
    this.#scalar(4);
    this.#int32(value);
  }

  /** Of a safe integer. */
  bigint(value: number | Absent): void {
    if (this.#isAbsent(value)) return;
    this.#scalar(8);
    const high = Math.floor(value / TWO_TO_32);
    this.#int32(high);
    this.#int32(value - high * TWO_TO_32);
  }

  double(value: number | Absent): void {
    if (this.#isAbsent(value)) return;
    this.#scalar(8);
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
  }

  /** In milliseconds since 1970. */
  timestamp(timeMs: number | Absent): void {
    if (this.#isAbsent(timeMs)) return;
    const milliseconds = timeMs - EPOCH_MS;
    const microseconds = milliseconds * 1000;
    if (Number.isSafeInteger(microseconds)) {
      this.bigint(microseconds);
      return;
    }
    // Of the last years of four digits.
    this.#scalar(8);
    this.#at = this.#bytes.writeBigInt64BE(BigInt(milliseconds) * 1000n, this.#at);
  }

  /** An ISO text. */
  date(value: string | Absent): void {
    this.integer(value ? (Date.parse(value) - EPOCH_MS) / DAY_MS : null);
  }

  /** Of a UUID in lower case. */
  uuid(text: string): void {
    this.#scalar(16);
    const bytes = this.#bytes;
    let at = this.#at;
    let index = 0;
    for (const end = at + 16; at < end; at++) {
      if (text.charCodeAt(index) === HYPHEN) index++;
      bytes[at] = (hexDigit(text.charCodeAt(index)) << 4) | hexDigit(text.charCodeAt(index + 1));
      index += 2;
    }
    this.#at = at;
  }

  text(value: string | Absent): void {
    if (this.#isAbsent(value)) return;
    const { length } = value;
    this.#reserve(SCALAR_BYTES_MAX + length * UTF8_BYTES_MAX);
    const bytes = this.#bytes;
    const start = this.#at;
    const first = start + 4;
    // A short text of ASCII, as most are, is written faster than a call of `write` takes.
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) {
        const bytesWritten = bytes.write(value, first);
        this.#int32(bytesWritten);
        this.#at = first + bytesWritten;
        return;
      }
      bytes[first + index] = code;
    }
    this.#int32(length);
    this.#at = first + length;
  }

  texts(values: readonly string[]): void {
    this.#scalar(0);
    const start = this.#at;
    this.#int32(values.length === 0 ? 0 : 1);
    this.#int32(0);
    this.#int32(TEXT_OID);
    if (values.length > 0) {
      this.#int32(values.length);
      this.#int32(1);
      for (const value of values) this.text(value);
    }
    this.#bytes.writeInt32BE(this.#at - start, start - 4);
  }

  /** Then it is written. */
  #isAbsent(value: unknown): value is Absent {
    if (value !== null && value !== undefined) return false;
    this.#scalar(NULL_LENGTH);
    return true;
  }

  /** Makes room for a value of that length, and writes the length. */
  #scalar(length: number): void {
    this.#reserve(SCALAR_BYTES_MAX);
    this.#int32(length);
  }

  #int32(value: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.#at = at + 4;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.from(new ArrayBuffer(Math.max(needed, 2 * this.#bytes.length)));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** Of a digit in lower case. */
function hexDigit(code: number): number {
  return code < 0x3a ? code - 0x30 : code - 0x57;
}
