import type { LogRecord, UnwrittenRecord } from './log-record.ts';
import type { RecentWrite } from './recent-ids.ts';

/** What became of a group, for all whose message is in it. */
export interface GroupOutcome extends RecentWrite {
  /** Resolves once the group is durable; rejects when it is not stored. */
  readonly stored: Promise<void>;
}

/** Records that are written at once, and that are stored or lost together. */
export class WriteGroup {
  readonly outcome: GroupOutcome;
  readonly records: UnwrittenRecord[] = [];
  #length = 0;
  #resolve!: () => void;
  #reject!: (reason: unknown) => void;

  /** `at`: when it is opened, in milliseconds since 1970. */
  constructor(at: number) {
    const stored = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.outcome = { at, stored };
  }

  /** In bytes. */
  get length(): number {
    return this.#length;
  }

  add(record: UnwrittenRecord): void {
    this.records.push(record);
    this.#length += record.length;
  }

  /** The bytes of all records, in order, and the records as views of them. */
  encode(): { readonly bytes: Buffer; readonly records: LogRecord[] } {
    const bytes = Buffer.allocUnsafe(this.#length);
    const records: LogRecord[] = [];
    let start = 0;
    for (const record of this.records) {
      records.push(record.writeTo(bytes, start));
      start += record.length;
    }
    return { bytes, records };
  }

  succeeded(): void {
    this.#resolve();
  }

  failed(reason: unknown): void {
    this.#reject(reason);
  }
}
