import { consumers, inferenceEndpoint, modelsEndpoint, newRequestId } from '@gateway/protocol';
import { startTelemetry, type Telemetry } from '@gateway/telemetry';
import { context, type SpanContext, TraceFlags, trace } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Delivery } from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';
import { emptied } from './recorded-events.ts';
import {
  attempted,
  callOptions,
  collect,
  controlEvent,
  HEAD,
  inferenceRequest,
  newProvider,
} from './sample-messages.ts';

const sampled: SpanContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: TraceFlags.SAMPLED,
};

function inTrace<Result>(run: () => Result): Result {
  return context.with(trace.setSpanContext(context.active(), sampled), run);
}

export function traceCases(peers: Peers): void {
  describe('trace context', () => {
    let telemetry: Telemetry;
    beforeAll(async () => {
      telemetry = await startTelemetry({ service: 'bus-test', instance: 'test', version: '0' });
    });
    afterAll(() => telemetry.shutdown());

    test('reaches the handlers of requests and calls', async () => {
      const provider = newProvider();
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      const traces: (string | undefined)[] = [];
      const note = () => traces.push(trace.getSpanContext(context.active())?.traceId);
      const models = modelsEndpoint(provider);
      const respond = async () => {
        note();
        return { value: { models: [] } };
      };
      await worker.respond(models, respond, { concurrencyMax: 1 });
      const endpoint = inferenceEndpoint(provider);
      await worker.serve(
        endpoint,
        async (incoming) => {
          note();
          incoming.accept();
          incoming.head(HEAD);
          await incoming.end(attempted(incoming.requestId));
        },
        { concurrencyMax: 1 },
      );
      const value = { configurationRevision: 'r' };
      await inTrace(() => ingress.request(models, { value }, { timeoutMs: 5_000 }));
      const requestId = newRequestId();
      const message = { value: inferenceRequest('demo', requestId) };
      await collect(inTrace(() => ingress.call(endpoint, message, callOptions(requestId))));
      await ingress.request(models, { value }, { timeoutMs: 5_000 });
      expect(traces).toEqual([sampled.traceId, sampled.traceId, undefined]);
    });

    test('is active where frames are delivered', async () => {
      const endpoint = inferenceEndpoint(newProvider());
      const ingress = await peers.connect('ingress');
      const worker = await peers.connect('provider-worker');
      await worker.serve(
        endpoint,
        async (incoming) => {
          incoming.accept();
          incoming.head(HEAD);
          await incoming.end(attempted(incoming.requestId));
        },
        { concurrencyMax: 1 },
      );
      const requestId = newRequestId();
      const message = { value: inferenceRequest('demo', requestId) };
      const call = ingress.call(endpoint, message, callOptions(requestId));
      const traces: (string | undefined)[] = [];
      const take = () => {
        traces.push(trace.getSpanContext(context.active())?.traceId);
        return undefined;
      };
      await inTrace(() => call.deliver({ take }));
      expect(traces).toEqual([sampled.traceId, sampled.traceId, sampled.traceId]);
    });

    test('is in the headers of an event', async () => {
      const ingress = await peers.connect('ingress');
      const reader = await peers.connect('audit-writer');
      const found: Delivery['headers'][] = [];
      const event = controlEvent();
      await inTrace(() => ingress.publish(event));
      await reader.consume(
        consumers.auditWriter,
        async (batch) => {
          for (const delivery of batch) {
            const value = delivery.value as { changeId?: string };
            if (value.changeId === event.changeId) found.push(delivery.headers);
            delivery.acknowledge();
          }
        },
        { batchMax: 10, lingerMs: 1 },
      );
      await emptied(reader);
      const traceparent = `00-${sampled.traceId}-${sampled.spanId}-01`;
      expect(found).toMatchObject([{ traceparent }]);
    });
  });
}
