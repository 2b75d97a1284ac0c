/**
 * Trace context across the bus. What is active at the sender travels as W3C headers and is the parent
 * of the span that the handler runs in; an unsampled sender costs the receiver no span.
 */

import { toGatewayError } from '@gateway/protocol';
import { ERROR_TYPE, MESSAGING, MESSAGING_SYSTEM_NATS } from '@gateway/telemetry';
import {
  type Attributes,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

export type Carrier = Readonly<Record<string, string>>;

/** The carrier of every message without a trace. */
export const NO_CARRIER: Carrier = Object.freeze({});

/** Headers that carry the active context; NO_CARRIER when nothing is traced. */
export function activeCarrier(): Carrier {
  const active = context.active();
  if (trace.getSpanContext(active) === undefined) return NO_CARRIER;
  const carrier: Record<string, string> = {};
  propagation.inject(active, carrier);
  return carrier;
}

/** The headers that the propagator reads, for transports that look them up by name. */
export function carrierFields(): readonly string[] {
  return propagation.fields();
}

/** Runs what is of no trace of the caller's, as what arrives over a wire would be. */
export function outsideOfTraces<Result>(work: () => Result): Result {
  return context.active() === ROOT_CONTEXT ? work() : context.with(ROOT_CONTEXT, work);
}

interface Destination {
  readonly template: string;
  readonly queueGroup: string;
}

/**
 * Runs the handler of one message in a span `process <template>` below the sender's, and in the
 * sender's context alone when that is not sampled.
 */
export function runInConsumerSpan<Result>(
  destination: Destination,
  carrier: Carrier,
  handler: () => Promise<Result>,
): Promise<Result> {
  const active = context.active();
  // Nearly all messages: neither the propagator nor another context is asked for them.
  if (carrier === NO_CARRIER && trace.getSpanContext(active) === undefined) return handler();
  const parent = propagation.extract(active, carrier);
  const sender = trace.getSpanContext(parent);
  const sampled =
    sender !== undefined &&
    isSpanContextValid(sender) &&
    (sender.traceFlags & TraceFlags.SAMPLED) !== 0;
  if (!sampled) return context.with(parent, handler);
  const attributes: Attributes = {
    [MESSAGING.system]: MESSAGING_SYSTEM_NATS,
    [MESSAGING.operationName]: 'process',
    [MESSAGING.operationType]: 'process',
    [MESSAGING.destinationTemplate]: destination.template,
    [MESSAGING.consumerGroupName]: destination.queueGroup,
  };
  const tracer = trace.getTracer('@gateway/bus');
  const options = { kind: SpanKind.CONSUMER, attributes };
  return tracer.startActiveSpan(
    `process ${destination.template}`,
    options,
    parent,
    async (span) => {
      try {
        return await handler();
      } catch (error) {
        span.setAttribute(ERROR_TYPE, toGatewayError(error).code);
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    },
  );
}
