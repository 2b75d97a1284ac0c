/**
 * The time at which the upstream wrote a chunk stands in the chunk: `@` and microseconds of the
 * machine's monotonic clock, which all of its processes share.
 */
const DIGITS = 16;
const STAMP = /@(\d{16})/g;
const MICROSECONDS = 1_000n;
const MICROSECONDS_PER_MILLISECOND = 1_000;

export function stamp(): string {
  return `@${String(process.hrtime.bigint() / MICROSECONDS).padStart(DIGITS, '0')}`;
}

/** Finds stamps in a stream that is cut anywhere. */
export class StampReader {
  #rest = '';

  /** Tells how old each stamp is, in milliseconds. */
  push(bytes: Buffer, found: (ageMs: number) => void): void {
    const text = this.#rest + bytes.toString('latin1');
    let end = 0;
    for (const match of text.matchAll(STAMP)) {
      const now = Number(process.hrtime.bigint() / MICROSECONDS);
      found((now - Number(match[1])) / MICROSECONDS_PER_MILLISECOND);
      end = match.index + DIGITS + 1;
    }
    this.#rest = text.slice(Math.max(end, text.length - DIGITS));
  }
}
