/** The HTTP server span: the root of a request's trace, or a child of the client's own span. */
import type { IncomingMessage } from 'node:http';
import { ERROR_TYPE, HTTP } from '@gateway/telemetry';
import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

const tracer = trace.getTracer('@gateway/ingress');

/** Methods that may name a span; https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const PATH_LENGTH_MAX = 256;

export class ServerSpan {
  readonly #span: Span;
  readonly traceId: string;

  constructor(span: Span) {
    this.#span = span;
    this.traceId = span.spanContext().traceId;
  }

  /** Runs the handler so that its spans, and what it sends over the bus, belong to this span. */
  run<Result>(handler: () => Result): Result {
    return context.with(trace.setSpan(ROOT_CONTEXT, this.#span), handler);
  }

  end(status: number): void {
    const span = this.#span;
    span.setAttribute(HTTP.responseStatusCode, status);
    if (status >= 500) {
      span.setAttribute(ERROR_TYPE, String(status));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }
}

/**
 * Starts the span of a request; continues the `traceparent` of the client. Undefined where nothing is
 * traced: then nothing has to run in a context either, which costs every promise of a request.
 *
 * Without a route the span is named after the method alone, since anybody can make up paths.
 */
export function startServerSpan(
  request: IncomingMessage,
  route: string | undefined,
): ServerSpan | undefined {
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const isKnown = METHODS.includes(request.method ?? '');
  const method = isKnown ? request.method : 'HTTP';
  const name = route === undefined ? `${method}` : `${method} ${route}`;
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER }, parent);
  if (!isSpanContextValid(span.spanContext())) return undefined;
  if (span.isRecording()) {
    const [path = ''] = (request.url ?? '').split('?', 1);
    span.setAttributes({
      [HTTP.requestMethod]: isKnown ? method : '_OTHER',
      ...(route !== undefined && { [HTTP.route]: route }),
      [HTTP.urlPath]: path.slice(0, PATH_LENGTH_MAX),
      [HTTP.urlScheme]: 'http',
    });
  }
  return new ServerSpan(span);
}
