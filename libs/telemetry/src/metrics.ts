import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import {
  HistogramInstrument,
  type HistogramSeries,
  type Meter,
  ObservedInstrument,
  SumInstrument,
} from './instruments.ts';
import { observeProcess } from './process-metrics.ts';

type Instrument = SumInstrument | HistogramInstrument | ObservedInstrument;

/** The instruments of this process, by the name of their component and their own. */
const components = new Map<string, Map<string, Instrument>>();

/**
 * The meter of one part of the gateway. Instruments may be made while modules load. Throws where a
 * name already stands for an instrument of another kind.
 */
export function getMeter(component: string): Meter {
  if (components.size === 0) {
    components.set('process', new Map());
    observeProcess(getMeter('process'));
  }
  const instruments = components.get(component) ?? new Map<string, Instrument>();
  components.set(component, instruments);
  return {
    createCounter: (name, options = {}) =>
      instrument(instruments, name, SumInstrument, () => new SumInstrument(options, true)),
    createUpDownCounter: (name, options = {}) =>
      instrument(instruments, name, SumInstrument, () => new SumInstrument(options, false)),
    createHistogram: (name, options = {}) =>
      instrument(instruments, name, HistogramInstrument, () => new HistogramInstrument(options)),
    createObservableGauge: (name, options = {}) =>
      instrument(
        instruments,
        name,
        ObservedInstrument,
        () => new ObservedInstrument(options, false),
      ),
    createObservableCounter: (name, options = {}) =>
      instrument(
        instruments,
        name,
        ObservedInstrument,
        () => new ObservedInstrument(options, true),
      ),
  };
}

function instrument<Kind extends Instrument>(
  instruments: Map<string, Instrument>,
  name: string,
  kind: abstract new (...parameters: never[]) => Kind,
  make: () => Kind,
): Kind {
  const known = instruments.get(name) ?? make();
  if (!(known instanceof kind)) throw new TypeError(`The metric ${name} is of another kind.`);
  instruments.set(name, known);
  return known;
}

const serializer = new PrometheusSerializer('', false, undefined, true, true);

/** All metrics of the process in Prometheus' text format. */
export async function renderMetrics(): Promise<string> {
  const scopeMetrics = [...components].map(([name, instruments]) => ({
    scope: { name },
    metrics: [...instruments]
      .map(([metric, each]) => metricData(metric, each))
      .filter(({ dataPoints }) => dataPoints.length > 0),
  }));
  return serializer.serialize({ resource: emptyResource(), scopeMetrics });
}

function metricData(name: string, instrument: Instrument): MetricData {
  const { description = '', unit = '' } = instrument.options;
  const base = {
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (instrument instanceof HistogramInstrument) {
    const dataPoints = instrument.series.map((series) =>
      dataPoint(series.attributes, histogramValue(series)),
    );
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const read = instrument instanceof SumInstrument ? instrument.series : instrument.observations();
  const dataPoints = read.map(({ attributes, value }) => dataPoint(attributes, value));
  if (instrument instanceof ObservedInstrument && !instrument.isMonotonic) {
    return { ...base, dataPointType: DataPointType.GAUGE, dataPoints };
  }
  const { isMonotonic } = instrument;
  return { ...base, dataPointType: DataPointType.SUM, isMonotonic, dataPoints };
}

/** Times are not rendered. */
const NO_TIME: HrTime = [0, 0];

function dataPoint<Value>(attributes: Attributes, value: Value): DataPoint<Value> {
  return { startTime: NO_TIME, endTime: NO_TIME, attributes, value };
}

function histogramValue({ boundaries, counts, count, sum }: HistogramSeries): Histogram {
  return { buckets: { boundaries: [...boundaries], counts: [...counts] }, count, sum };
}
