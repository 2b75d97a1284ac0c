import type { Entry } from '../bus.ts';

/** A value of a bucket, kept as the text that was stored, so that nobody shares an object. */
export interface StoredEntry {
  readonly text: string;
  readonly revision: number;
}

/** A copy of its own for each reader. */
export function readEntry(entry: StoredEntry | undefined): Entry | undefined {
  return entry && { value: JSON.parse(entry.text), revision: entry.revision };
}
