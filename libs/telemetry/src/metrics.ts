import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Meter } from '@opentelemetry/api';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

const METER_PREFIX = '@gateway/';
const EVENT_LOOP_RESOLUTION_MS = 20;

type Registry = { readonly reader: PrometheusExporter; readonly provider: MeterProvider };

let registry: Registry | undefined;

/**
 * The meter of one part of the gateway. Instruments may be made while modules load:
 * `@opentelemetry/api` alone would give ones that never record, since it has no proxy for meters
 * that are asked for before a provider exists.
 */
export function getMeter(component: string): Meter {
  return openRegistry().provider.getMeter(METER_PREFIX + component);
}

/** All metrics of the process in Prometheus' text format. */
export async function renderMetrics(): Promise<string> {
  const { resourceMetrics } = await openRegistry().reader.collect();
  const withoutTargetInfo = true;
  const withoutScopeInfo = true;
  return new PrometheusSerializer(
    '',
    false,
    undefined,
    withoutTargetInfo,
    withoutScopeInfo,
  ).serialize(resourceMetrics);
}

function openRegistry(): Registry {
  if (registry) return registry;
  const reader = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  registry = { reader, provider };
  observeProcess(provider.getMeter(`${METER_PREFIX}process`));
  return registry;
}

/**
 * Names: https://opentelemetry.io/docs/specs/semconv/runtime/nodejs-metrics/ and
 * https://opentelemetry.io/docs/specs/semconv/system/process-metrics/
 */
function observeProcess(meter: Meter): void {
  meter
    .createObservableGauge('process.memory.usage', {
      unit: 'By',
      description: 'Resident memory of the process',
    })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  meter
    .createObservableGauge('v8js.memory.heap.used', {
      unit: 'By',
      description: 'Heap in use',
    })
    .addCallback((result) => result.observe(process.memoryUsage().heapUsed));
  meter
    .createObservableCounter('process.cpu.time', {
      unit: 's',
      description: 'Processor time spent by the process',
    })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe(user / 1e6, { 'cpu.mode': 'user' });
      result.observe(system / 1e6, { 'cpu.mode': 'system' });
    });
  const delay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  delay.enable();
  meter
    .createObservableGauge('nodejs.eventloop.delay.p99', {
      unit: 's',
      description: '99th percentile of the event loop delay since the last reading',
    })
    .addCallback((result) => {
      result.observe(delay.count === 0 ? 0 : delay.percentile(99) / 1e9);
      delay.reset();
    });
  let previous = performance.eventLoopUtilization();
  meter
    .createObservableGauge('nodejs.eventloop.utilization', {
      unit: '1',
      description: 'Share of the time since the last reading in which the event loop was busy',
    })
    .addCallback((result) => {
      const current = performance.eventLoopUtilization();
      result.observe(performance.eventLoopUtilization(current, previous).utilization);
      previous = current;
    });
}
