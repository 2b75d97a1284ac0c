import { GatewayError } from '@gateway/protocol';
import { startTelemetry } from '@gateway/telemetry';
import {
  type Context,
  context,
  propagation,
  type SpanOptions,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activeCarrier, runInConsumerSpan } from './trace-context.ts';

const destination = { template: 'gateway.v2.models.<provider>', queueGroup: 'provider-worker' };
const traceId = '0af7651916cd43dd8448eb211c80319c';
const carrier = (flags: string) => ({ traceparent: `00-${traceId}-b7ad6b7169203331-${flags}` });

const started: { name: string; options: SpanOptions; attributes: Record<string, unknown> }[] = [];

/** Notes what is started; its spans carry their parent's context. */
const tracer: Pick<Tracer, 'startSpan' | 'startActiveSpan'> = {
  startSpan: () => {
    throw new Error('not used');
  },
  startActiveSpan: (
    name: string,
    options: SpanOptions,
    parent: Context,
    run: (span: unknown) => unknown,
  ) => {
    const attributes: Record<string, unknown> = { ...options.attributes };
    started.push({ name, options, attributes });
    const span = {
      setAttribute: (key: string, value: unknown) => {
        attributes[key] = value;
      },
      setStatus: () => {},
      end: () => {
        attributes.ended = true;
      },
    };
    return context.with(parent, () => run(span));
  },
} as never;

beforeAll(async () => {
  const telemetry = await startTelemetry({ service: 'test', instance: 'test', version: '0' });
  trace.setGlobalTracerProvider({ getTracer: () => tracer as Tracer });
  return () => telemetry.shutdown();
});

afterAll(() => trace.disable());

test('a sampled sender gets a consumer span named after the template', async () => {
  started.length = 0;
  const inside = await runInConsumerSpan(destination, carrier('01'), async () => activeCarrier());
  expect(inside).toEqual(carrier('01'));
  expect(started).toMatchObject([
    {
      name: 'process gateway.v2.models.<provider>',
      attributes: {
        'messaging.system': 'nats',
        'messaging.operation.name': 'process',
        'messaging.destination.template': destination.template,
        'messaging.consumer.group.name': 'provider-worker',
        ended: true,
      },
    },
  ]);
});

test('an error ends the span with its code', async () => {
  started.length = 0;
  const failing = () => Promise.reject(new GatewayError('overloaded', 'full'));
  await expect(runInConsumerSpan(destination, carrier('01'), failing)).rejects.toThrow('full');
  expect(started[0]?.attributes).toMatchObject({ 'error.type': 'overloaded', ended: true });
});

test('an unsampled sender gets no span, and its context goes on', async () => {
  started.length = 0;
  const inside = await runInConsumerSpan(destination, carrier('00'), async () => activeCarrier());
  expect(inside).toEqual(carrier('00'));
  expect(started).toEqual([]);
});

test('a sender without a trace gets neither', async () => {
  started.length = 0;
  const inside = await runInConsumerSpan(destination, {}, async () => activeCarrier());
  expect(inside).toEqual({});
  expect(started).toEqual([]);
  expect(propagation.fields()).toContain('traceparent');
});
