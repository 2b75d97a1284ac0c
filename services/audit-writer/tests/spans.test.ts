import { streams, subjects } from '@gateway/protocol';
import { startTelemetry } from '@gateway/telemetry';
import {
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GrowingPart } from '../src/batch-part.ts';
import { startBatchSpans } from '../src/batch-spans.ts';
import { readDelivery } from '../src/read-delivery.ts';
import { deliveryOf, eventsOf } from './events.ts';

interface RecordedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly links: readonly Link[];
  readonly attributes: Attributes;
}

const ended: RecordedSpan[] = [];

/** The outside of the API: what a tracing SDK would be told. */
class RecordingTracer {
  #count = 0;

  startSpan(name: string, options: SpanOptions = {}, context?: Context): Span {
    const parent = context && !options.root ? trace.getSpanContext(context) : undefined;
    const spanId = String(++this.#count).padStart(16, '0');
    const spanContext: SpanContext = {
      traceId: parent?.traceId ?? 'f'.repeat(32),
      spanId,
      traceFlags: 1,
    };
    const { links = [], attributes = {} } = options;
    const { traceId } = spanContext;
    return {
      spanContext: () => spanContext,
      end: () => ended.push({ name, traceId, spanId, parentId: parent?.spanId, links, attributes }),
    } as unknown as Span;
  }
}

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';

let stopTelemetry: () => Promise<void>;
beforeAll(async () => {
  const telemetry = await startTelemetry({ service: 'audit-writer', instance: 'a', version: '0' });
  stopTelemetry = () => telemetry.shutdown();
  const tracer = new RecordingTracer() as unknown as Tracer;
  trace.setGlobalTracerProvider({ getTracer: () => tracer } satisfies TracerProvider);
});
afterAll(() => stopTelemetry());
beforeEach(() => {
  ended.length = 0;
});

function partOf(traceparent?: string) {
  const { received, attempted, finished } = eventsOf();
  const headers = traceparent === undefined ? {} : { traceparent };
  const entries = [received(), attempted(), finished()].map((event) => {
    const reading = readDelivery(deliveryOf(event, headers));
    if (reading.verdict !== 'good') throw new Error('expected a good event');
    return reading.entry;
  });
  const part = new GrowingPart();
  part.add(entries);
  return part.take();
}

function spansOf(traceparent?: string): readonly RecordedSpan[] {
  const spans = startBatchSpans(3);
  spans.committed(partOf(traceparent).ends);
  spans.end();
  return [...ended];
}

describe('startBatchSpans', () => {
  test('a finished request has one span in its own trace, linked to that of the batch', () => {
    const [request, batch, ...others] = spansOf(`00-${TRACE_ID}-${PARENT_ID}-01`);
    expect(others).toEqual([]);
    expect(batch).toMatchObject({
      name: `process ${streams.events.name}`,
      parentId: undefined,
      attributes: { 'messaging.batch.message_count': 3, 'messaging.system': 'nats' },
    });
    expect(request).toMatchObject({
      name: `process ${subjects.event('finished')}`,
      traceId: TRACE_ID,
      parentId: PARENT_ID,
      links: [{ context: { spanId: batch?.spanId } }],
      attributes: { 'messaging.consumer.group.name': 'audit-writer' },
    });
  });

  test.each([
    { name: 'that is not sampled', traceparent: `00-${TRACE_ID}-${PARENT_ID}-00` },
    { name: 'without trace context', traceparent: undefined },
    { name: 'with broken trace context', traceparent: '00-zz' },
  ])('a request $name has none', ({ traceparent }) => {
    expect(spansOf(traceparent).map(({ name }) => name)).toEqual([
      `process ${streams.events.name}`,
    ]);
  });
});
