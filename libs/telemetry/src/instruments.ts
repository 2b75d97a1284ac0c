/**
 * Instruments of our own: plain numbers that a scrape reads. Those of OpenTelemetry's SDK hash the
 * attributes at every measurement, 2 to 5 µs each with what they leave to the collector. Here
 * `bind` finds the series once, and a measurement of it is an addition.
 */
import type { Attributes } from '@opentelemetry/api';
import { SeriesTable } from './series-table.ts';

export interface InstrumentOptions {
  readonly description?: string;
  /** As UCUM has it, for example `s` or `By`. */
  readonly unit?: string;
}

export interface HistogramOptions extends InstrumentOptions {
  readonly advice?: { readonly explicitBucketBoundaries?: readonly number[] };
}

/** A sum of one series. */
export interface BoundCounter {
  add(value: number): void;
}

/** A distribution of one series. */
export interface BoundHistogram {
  /** Negative values are not recorded. */
  record(value: number): void;
}

/** The default of OpenTelemetry's SDK. */
const DEFAULT_BOUNDARIES = [
  0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000,
];
const NO_ATTRIBUTES: Attributes = {};

export class SumSeries implements BoundCounter {
  readonly attributes: Attributes;
  readonly #isMonotonic: boolean;
  value = 0;
  /** A series that was bound and never measured is not shown. */
  isUsed = false;

  constructor(attributes: Attributes, isMonotonic: boolean) {
    this.attributes = attributes;
    this.#isMonotonic = isMonotonic;
  }

  add(value: number): void {
    if (this.#isMonotonic && !(value >= 0)) return;
    this.value += value;
    this.isUsed = true;
  }
}

/** A sum by attributes. One that is monotonic, a counter, ignores negative values. */
export class SumInstrument {
  readonly options: InstrumentOptions;
  readonly isMonotonic: boolean;
  readonly #table: SeriesTable<SumSeries>;
  #plain: SumSeries | undefined;

  constructor(options: InstrumentOptions, isMonotonic: boolean) {
    this.options = options;
    this.isMonotonic = isMonotonic;
    this.#table = new SeriesTable((attributes) => new SumSeries(attributes, isMonotonic));
  }

  bind(attributes: Attributes): BoundCounter {
    return this.#table.of(attributes);
  }

  add(value: number, attributes?: Attributes): void {
    if (attributes !== undefined) {
      this.#table.of(attributes).add(value);
      return;
    }
    this.#plain ??= this.#table.of(NO_ATTRIBUTES);
    this.#plain.add(value);
  }

  get series(): readonly SumSeries[] {
    return this.#table.all.filter(({ isUsed }) => isUsed);
  }
}

export class HistogramSeries implements BoundHistogram {
  readonly attributes: Attributes;
  readonly boundaries: readonly number[];
  /** Of each bucket, and of the values above the last boundary. */
  readonly counts: number[];
  count = 0;
  sum = 0;

  constructor(attributes: Attributes, boundaries: readonly number[]) {
    this.attributes = attributes;
    this.boundaries = boundaries;
    this.counts = new Array<number>(boundaries.length + 1).fill(0);
  }

  record(value: number): void {
    if (!(value >= 0)) return;
    const { boundaries, counts } = this;
    let bucket = 0;
    // A boundary belongs to the bucket below it.
    while (bucket < boundaries.length && value > (boundaries[bucket] ?? 0)) bucket += 1;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.count += 1;
    this.sum += value;
  }
}

/** Distributions by attributes. */
export class HistogramInstrument {
  readonly options: HistogramOptions;
  readonly #table: SeriesTable<HistogramSeries>;

  constructor(options: HistogramOptions) {
    this.options = options;
    const boundaries = options.advice?.explicitBucketBoundaries ?? DEFAULT_BOUNDARIES;
    this.#table = new SeriesTable((attributes) => new HistogramSeries(attributes, boundaries));
  }

  bind(attributes: Attributes): BoundHistogram {
    return this.#table.of(attributes);
  }

  record(value: number, attributes: Attributes = NO_ATTRIBUTES): void {
    this.#table.of(attributes).record(value);
  }

  get series(): readonly HistogramSeries[] {
    return this.#table.all.filter(({ count }) => count > 0);
  }
}

export interface Observation {
  readonly attributes: Attributes;
  readonly value: number;
}

/** Where a callback says what it reads. */
export interface Observer {
  observe(value: number, attributes?: Attributes): void;
}

export type ObserverCallback = (observer: Observer) => void;

/** What is read when it is asked for, and only then. */
export class ObservedInstrument {
  readonly options: InstrumentOptions;
  readonly isMonotonic: boolean;
  readonly #callbacks = new Set<ObserverCallback>();

  constructor(options: InstrumentOptions, isMonotonic: boolean) {
    this.options = options;
    this.isMonotonic = isMonotonic;
  }

  addCallback(callback: ObserverCallback): void {
    this.#callbacks.add(callback);
  }

  removeCallback(callback: ObserverCallback): void {
    this.#callbacks.delete(callback);
  }

  /** The last that was said of each series. */
  observations(): readonly Observation[] {
    const table = new SeriesTable((attributes) => ({ attributes, value: 0 }));
    const observe = (value: number, attributes = NO_ATTRIBUTES) => {
      table.of(attributes).value = value;
    };
    for (const callback of this.#callbacks) callback({ observe });
    return table.all;
  }
}

/** Makes the instruments of one part of the gateway; the same name gives the same instrument. */
export interface Meter {
  createCounter(name: string, options?: InstrumentOptions): SumInstrument;
  createUpDownCounter(name: string, options?: InstrumentOptions): SumInstrument;
  createHistogram(name: string, options?: HistogramOptions): HistogramInstrument;
  createObservableGauge(name: string, options?: InstrumentOptions): ObservedInstrument;
  createObservableCounter(name: string, options?: InstrumentOptions): ObservedInstrument;
}
