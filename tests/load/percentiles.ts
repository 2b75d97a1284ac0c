import type { Percentiles } from './load.ts';

const INITIAL_SAMPLES = 4_096;

/** Keeps every sample: percentiles are exact, and adding allocates next to nothing. */
export class Samples {
  #values = new Float64Array(INITIAL_SAMPLES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  /** All 0 where there are no samples. */
  percentiles(): Percentiles {
    const sorted = this.#values.slice(0, this.#count).sort();
    // The smallest sample that as large a part of all samples does not exceed.
    const at = (part: number) => sorted[Math.max(0, Math.ceil(part * this.#count) - 1)] ?? 0;
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
  }
}

/** The middle of the values, or of the two middle ones; NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
