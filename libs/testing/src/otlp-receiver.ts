/**
 * A collector for tests: takes OTLP/HTTP traces as JSON and keeps the spans as plain objects.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { type JsonObject, objectOf, objectsOf, textOf } from './json-value.ts';
import { waitFor } from './wait-for.ts';

const BODY_BYTES_MAX = 16 * 1024 * 1024;
const SPANS_MAX = 100_000;
const WAIT_DEFAULT_MS = 10_000;

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const statuses = ['unset', 'ok', 'error'] as const;

export type Attributes = Readonly<Record<string, unknown>>;

/** One span, with what OTLP says of it once for many. Ids are lower-case hex, times nanoseconds. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the root of a trace. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: (typeof kinds)[number];
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly status: (typeof statuses)[number];
  readonly statusMessage: string;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
  readonly links: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes: Attributes;
  }[];
  readonly scope: string;
  readonly resource: Attributes;
}

export interface OtlpReceiver extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT: without `/v1/traces`. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** All spans, as soon as the predicate accepts them; default at most 10 s. */
  waitForSpans(
    predicate: (spans: readonly ReceivedSpan[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly ReceivedSpan[]>;
  clear(): void;
  stop(): Promise<void>;
}

/** An AnyValue of OTLP's JSON: numbers of 64 bits come as text. */
function plainValue(any: JsonObject): unknown {
  const [[kind, value] = ['', undefined]] = Object.entries(any);
  switch (kind) {
    case 'intValue':
    case 'doubleValue':
      return Number(value);
    case 'arrayValue':
      return objectsOf(objectOf(value).values).map(plainValue);
    case 'kvlistValue':
      return attributesOf(objectOf(value).values);
    default:
      return value;
  }
}

function attributesOf(list: unknown): Attributes {
  return Object.fromEntries(
    objectsOf(list).map(({ key, value }) => [textOf(key), plainValue(objectOf(value))]),
  );
}

function spanOf(span: JsonObject, scope: string, resource: Attributes): ReceivedSpan {
  const status = objectOf(span.status);
  return {
    traceId: textOf(span.traceId),
    spanId: textOf(span.spanId),
    parentSpanId: textOf(span.parentSpanId) || undefined,
    name: textOf(span.name),
    kind: kinds[Number(span.kind)] ?? 'unspecified',
    startNs: BigInt(String(span.startTimeUnixNano ?? 0)),
    endNs: BigInt(String(span.endTimeUnixNano ?? 0)),
    status: statuses[Number(status.code ?? 0)] ?? 'unset',
    statusMessage: textOf(status.message),
    attributes: attributesOf(span.attributes),
    events: objectsOf(span.events).map((event) => ({
      name: textOf(event.name),
      attributes: attributesOf(event.attributes),
    })),
    links: objectsOf(span.links).map((link) => ({
      traceId: textOf(link.traceId),
      spanId: textOf(link.spanId),
      attributes: attributesOf(link.attributes),
    })),
    scope,
    resource,
  };
}

/** The spans of one export. */
function spansOf(body: JsonObject): ReceivedSpan[] {
  return objectsOf(body.resourceSpans).flatMap((group) => {
    const resource = attributesOf(objectOf(group.resource).attributes);
    return objectsOf(group.scopeSpans).flatMap(({ scope, spans }) =>
      objectsOf(spans).map((span) => spanOf(span, textOf(objectOf(scope).name), resource)),
    );
  });
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const isCompressed = request.headers['content-encoding'] === 'gzip';
  return isCompressed ? gunzipSync(body, { maxOutputLength: BODY_BYTES_MAX }) : body;
}

function answer(response: ServerResponse, status: number, body: JsonObject): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function receive(
  request: IncomingMessage,
  response: ServerResponse,
  keep: (spans: readonly ReceivedSpan[]) => void,
): Promise<void> {
  if (request.method !== 'POST' || request.url !== '/v1/traces') {
    return answer(response, 404, { message: 'only POST /v1/traces is here' });
  }
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    const message = 'only application/json is taken: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json';
    return answer(response, 415, { message });
  }
  const body = await readBody(request);
  if (body === undefined) return answer(response, 413, { message: 'the export is too large' });
  keep(spansOf(objectOf(JSON.parse(body.toString('utf8')))));
  answer(response, 200, { partialSuccess: {} });
}

/** Starts a receiver on a free loopback port. It keeps 100,000 spans, the newest. */
export async function startOtlpReceiver(options: { port?: number } = {}): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const keep = (received: readonly ReceivedSpan[]) => {
    spans.push(...received);
    spans.splice(0, Math.max(0, spans.length - SPANS_MAX));
  };
  const server = createServer((request, response) => {
    receive(request, response, keep).catch((error: Error) =>
      answer(response, 400, { message: error.message }),
    );
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    waitForSpans: (predicate, timeoutMs = WAIT_DEFAULT_MS) =>
      waitFor(() => (predicate(spans) ? [...spans] : undefined), {
        what: 'the spans of the test',
        timeoutMs,
      }),
    clear: () => {
      spans.length = 0;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
