/** The HTTP server span: the root of a request's trace, or a child of the client's own span. */
import type { IncomingMessage } from 'node:http';
import { ERROR_TYPE, HTTP } from '@gateway/telemetry';
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

const tracer = trace.getTracer('@gateway/ingress');

export interface ServerSpan {
  /** What the handler runs in. */
  readonly context: Context;
  readonly traceId: string | undefined;
  end(status: number): void;
}

/** Starts the span of a request to a known route; continues the `traceparent` of the client. */
export function startServerSpan(request: IncomingMessage, route: string): ServerSpan {
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const method = request.method ?? 'GET';
  const span = tracer.startSpan(
    `${method} ${route}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        [HTTP.requestMethod]: method,
        [HTTP.route]: route,
        [HTTP.urlPath]: route,
        [HTTP.urlScheme]: 'http',
      },
    },
    parent,
  );
  return {
    context: trace.setSpan(parent, span),
    traceId: traceIdOf(span),
    end: (status) => endSpan(span, status),
  };
}

/** Runs the handler so that its spans, and what it sends over the bus, belong to this span. */
export function withinSpan<Result>(span: ServerSpan, handler: () => Result): Result {
  return context.with(span.context, handler);
}

function endSpan(span: Span, status: number): void {
  span.setAttribute(HTTP.responseStatusCode, status);
  if (status >= 500) {
    span.setAttribute(ERROR_TYPE, String(status));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function traceIdOf(span: Span): string | undefined {
  const { traceId } = span.spanContext();
  return /^0+$/.test(traceId) ? undefined : traceId;
}
