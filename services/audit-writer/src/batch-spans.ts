/**
 * A batch has a span of its own, and each request that finished in it has one in the request's own
 * trace, linked to the batch.
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
import type { Delivery } from '@gateway/bus';
import { consumers, subjects } from '@gateway/protocol';
import { MESSAGING, MESSAGING_SYSTEM_NATS } from '@gateway/telemetry';
import {
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

export interface BatchSpans {
  /** What these true ends of requests say is committed. */
  committed(ends: readonly Delivery[]): void;
  end(): void;
}

const { auditWriter } = consumers;
const FINISHED = subjects.event('finished');
const tracer = trace.getTracer('@gateway/audit-writer');

const ATTRIBUTES = {
  [MESSAGING.system]: MESSAGING_SYSTEM_NATS,
  [MESSAGING.operationName]: 'process',
  [MESSAGING.operationType]: 'process',
  [MESSAGING.consumerGroupName]: auditWriter.durable,
};

export function startBatchSpans(messageCount: number): BatchSpans {
  const startTime = Date.now();
  const batch = tracer.startSpan(`process ${auditWriter.stream}`, {
    kind: SpanKind.CONSUMER,
    root: true,
    startTime,
    attributes: {
      ...ATTRIBUTES,
      [MESSAGING.destinationName]: auditWriter.stream,
      [MESSAGING.batchMessageCount]: messageCount,
    },
  });
  const context = batch.spanContext();
  const links = [{ context }];
  const attributes = {
    ...ATTRIBUTES,
    [MESSAGING.destinationName]: FINISHED,
    [MESSAGING.destinationTemplate]: FINISHED,
  };
  return {
    committed(ends) {
      // Without tracing there is no span to make, and the headers of events are left unread.
      if (!isSpanContextValid(context)) return;
      for (const { headers } of ends) {
        const parent = propagation.extract(ROOT_CONTEXT, headers);
        const sampled = (trace.getSpanContext(parent)?.traceFlags ?? 0) & TraceFlags.SAMPLED;
        if (sampled === 0) continue;
        const kind = SpanKind.CONSUMER;
        tracer
          .startSpan(`process ${FINISHED}`, { kind, startTime, links, attributes }, parent)
          .end();
      }
    },
    end: () => batch.end(),
  };
}
