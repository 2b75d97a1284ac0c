import type { Attributes, AttributeValue } from '@opentelemetry/api';

/** Series of one instrument; as many as the SDK of OpenTelemetry keeps. */
export const SERIES_MAX = 2_000;

/** Of the series that stands for all beyond the bound, as OpenTelemetry names it. */
export const OVERFLOW_ATTRIBUTES = { 'otel.metric.overflow': true } as const;

/** The series of one instrument by their attributes, each made once. */
export class SeriesTable<Series> {
  readonly #make: (attributes: Attributes) => Series;
  /** A series stands under each order in which its attributes were named. */
  readonly #byKey = new Map<string, Series>();
  readonly #all: Series[] = [];
  #overflow: Series | undefined;

  constructor(make: (attributes: Attributes) => Series) {
    this.#make = make;
  }

  /** In the order in which they were first asked for. */
  get all(): readonly Series[] {
    return this.#overflow === undefined ? this.#all : [...this.#all, this.#overflow];
  }

  /** The series with these attributes; past `SERIES_MAX` the one that stands for the rest. */
  of(attributes: Attributes): Series {
    const key = keyOf(attributes);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const named = Object.entries(attributes).filter(([, value]) => value !== undefined);
    const sorted = named.toSorted(([left], [right]) => (left < right ? -1 : 1));
    const canonicalKey = keyOf(Object.fromEntries(sorted));
    const series = this.#byKey.get(canonicalKey) ?? this.#add(canonicalKey, named);
    if (series === undefined) {
      this.#overflow ??= this.#make(OVERFLOW_ATTRIBUTES);
      return this.#overflow;
    }
    this.#byKey.set(key, series);
    return series;
  }

  #add(key: string, named: [string, AttributeValue | undefined][]): Series | undefined {
    if (this.#all.length >= SERIES_MAX) return undefined;
    const series = this.#make(Object.fromEntries(named));
    this.#byKey.set(key, series);
    this.#all.push(series);
    return series;
  }
}

/** One concatenation: values that print alike are the same label to Prometheus. */
function keyOf(attributes: Attributes): string {
  let key = '';
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) key += `${name}\0${value}\0`;
  }
  return key;
}
