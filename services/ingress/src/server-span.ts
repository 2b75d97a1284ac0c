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

/** Methods that may name a span; https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const PATH_LENGTH_MAX = 256;

/**
 * Starts the span of a request; continues the `traceparent` of the client. Without a route it is named
 * after the method alone, since anybody can make up paths.
 */
export function startServerSpan(request: IncomingMessage, route: string | undefined): ServerSpan {
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const isKnown = METHODS.includes(request.method ?? '');
  const method = isKnown ? request.method : 'HTTP';
  const [path = ''] = (request.url ?? '').split('?', 1);
  const span = tracer.startSpan(
    route === undefined ? `${method}` : `${method} ${route}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        [HTTP.requestMethod]: isKnown ? method : '_OTHER',
        ...(route !== undefined && { [HTTP.route]: route }),
        [HTTP.urlPath]: path.slice(0, PATH_LENGTH_MAX),
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
