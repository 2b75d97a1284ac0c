import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Meter } from './instruments.ts';

const EVENT_LOOP_RESOLUTION_MS = 20;

/**
 * What the process uses, read when it is asked for.
 *
 * Names: https://opentelemetry.io/docs/specs/semconv/runtime/nodejs-metrics/ and
 * https://opentelemetry.io/docs/specs/semconv/system/process-metrics/
 */
export function observeProcess(meter: Meter): void {
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
  observeEventLoop(meter);
}

function observeEventLoop(meter: Meter): void {
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
