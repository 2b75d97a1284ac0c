import { appendFileSync } from 'node:fs';
import { waitFor } from '../wait-for.ts';
import type { Usage } from './answer.ts';
import type { VendorName } from './vendor.ts';

const ENTRIES_MAX = 100_000;
const WAIT_DEFAULT_MS = 10_000;

/** How the exchange ended, as the simulator saw it; `open` until then. */
export type Ending = 'open' | 'complete' | 'cut' | 'aborted-by-client';

/** One call that the simulator got and what it answered. */
export interface LedgerEntry {
  readonly id: number;
  /** ISO 8601. */
  readonly time: string;
  readonly vendor: VendorName;
  readonly method: string;
  readonly path: string;
  /** Those that tell where a call comes from; never a key. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 in hex. */
  bodyDigest: string;
  bodyBytes: number;
  model: string | undefined;
  stream: boolean;
  /** Undefined when no status was sent. */
  status: number | undefined;
  /** What the answer reported; undefined when it did not come to that. */
  usage: Usage | undefined;
  /** The id of the answer, as it is in the vendor's header. */
  answerId: string | undefined;
  /** The whole text that the answer says, even when cut. */
  text: string | undefined;
  /** Events of a stream that were written. */
  events: number;
  /** Bytes of the body that were written. */
  bytes: number;
  /** ISO 8601. When the last piece of the body was handed to the socket. */
  lastWriteTime: string | undefined;
  ended: Ending;
  /** ISO 8601. */
  endTime: string | undefined;
}

/** Append-only record of calls, the oldest dropped beyond 100,000. */
export class Ledger {
  readonly #entries: LedgerEntry[] = [];
  readonly #file: string | undefined;
  #count = 0;

  /** `file` gets one JSON line for each call that ended. */
  constructor(file?: string) {
    this.#file = file;
  }

  get entries(): readonly Readonly<LedgerEntry>[] {
    return this.#entries;
  }

  open(facts: Pick<LedgerEntry, 'vendor' | 'method' | 'path' | 'headers'>): LedgerEntry {
    this.#count += 1;
    const entry: LedgerEntry = {
      id: this.#count,
      time: new Date().toISOString(),
      ...facts,
      bodyDigest: '',
      bodyBytes: 0,
      model: undefined,
      stream: false,
      status: undefined,
      usage: undefined,
      answerId: undefined,
      text: undefined,
      events: 0,
      bytes: 0,
      lastWriteTime: undefined,
      ended: 'open',
      endTime: undefined,
    };
    this.#entries.push(entry);
    if (this.#entries.length > ENTRIES_MAX) this.#entries.shift();
    return entry;
  }

  close(entry: LedgerEntry, ended: Ending): void {
    entry.ended = ended;
    entry.endTime = new Date().toISOString();
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  clear(): void {
    this.#entries.length = 0;
  }

  /** The first entry that the predicate accepts, as soon as there is one. */
  waitFor(
    predicate: (entry: Readonly<LedgerEntry>) => boolean,
    timeoutMs = WAIT_DEFAULT_MS,
  ): Promise<Readonly<LedgerEntry>> {
    const what = 'an entry of the ledger of the simulator';
    return waitFor(() => this.#entries.find(predicate), { what, timeoutMs });
  }
}
