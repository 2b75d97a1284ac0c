import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startInferenceSpan, startTelemetry } from '../src/index.ts';

const OPTIONS = { service: 'provider-worker', instance: 'abcdefghij', version: '1.2.3' };
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE_ID}-${PARENT_ID}-01`;

type Attribute = { key: string; value: Record<string, unknown> };
type OtlpSpan = {
  name: string;
  kind: number;
  traceId: string;
  parentSpanId?: string;
  status: object;
  attributes: Attribute[];
};
type OtlpBody = {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: OtlpSpan[] }[];
  }[];
};

/** A collector that keeps what it is sent, or that never answers. */
async function startCollector(behaviour: 'answers' | 'hangs' = 'answers') {
  const bodies: OtlpBody[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = await request.toArray();
    bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
    if (behaviour === 'answers') response.setHeader('content-type', 'application/json').end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  vi.stubEnv(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
  return {
    bodies,
    spans: () =>
      bodies
        .flatMap((body) => body.resourceSpans)
        .flatMap((each) => each.scopeSpans)
        .flatMap((each) => each.spans),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const values = (attributes: Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

const clientContext = () => propagation.extract(ROOT_CONTEXT, { traceparent: TRACEPARENT });

afterEach(() => vi.unstubAllEnvs());

describe('startTelemetry', () => {
  test('exports a provider call as a child of the trace of the client', async () => {
    await using collector = await startCollector();
    const telemetry = await startTelemetry(OPTIONS);
    context.with(clientContext(), () => {
      const inference = startInferenceSpan({
        operation: 'chat',
        provider: 'anthropic',
        requestModel: 'claude-x',
        stream: true,
        serverAddress: 'api.anthropic.com',
        serverPort: 443,
      });
      inference.firstChunk();
      inference.finish({
        usage: { inputTokens: 10, outputTokens: 4, cachedInputTokens: 3, cacheWriteInputTokens: 2 },
        responseModel: 'claude-x-20260101',
        responseId: 'msg_1',
        finishReasons: ['stop'],
        errorType: 'stream_interrupted',
      });
    });
    await telemetry.shutdown();

    expect(telemetry.isTracing).toBe(true);
    const [span] = collector.spans();
    expect(span).toMatchObject({
      name: 'chat claude-x',
      kind: 3,
      traceId: TRACE_ID,
      parentSpanId: PARENT_ID,
      status: { code: 2 },
    });
    expect(values(span?.attributes ?? [])).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.request.model': 'claude-x',
      'gen_ai.request.stream': true,
      'server.address': 'api.anthropic.com',
      'server.port': 443,
      'gen_ai.response.time_to_first_chunk': expect.any(Number),
      'gen_ai.response.model': 'claude-x-20260101',
      'gen_ai.response.id': 'msg_1',
      'gen_ai.response.finish_reasons': { values: [{ stringValue: 'stop' }] },
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 4,
      'gen_ai.usage.cache_read.input_tokens': 3,
      'gen_ai.usage.cache_creation.input_tokens': 2,
      'error.type': 'stream_interrupted',
    });
    expect(values(collector.bodies[0]?.resourceSpans[0]?.resource.attributes ?? [])).toMatchObject({
      'service.name': 'gateway-provider-worker',
      'service.instance.id': 'abcdefghij',
      'service.version': '1.2.3',
    });
  });

  test('lets OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word', async () => {
    await using collector = await startCollector();
    vi.stubEnv('OTEL_SERVICE_NAME', 'edge');
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=staging');
    const telemetry = await startTelemetry(OPTIONS);
    trace.getTracer('test').startSpan('work').end();
    await telemetry.shutdown();
    expect(values(collector.bodies[0]?.resourceSpans[0]?.resource.attributes ?? [])).toMatchObject({
      'service.name': 'edge',
      'deployment.environment.name': 'staging',
    });
  });

  test('does not sample what the client did not sample', async () => {
    await using collector = await startCollector();
    const telemetry = await startTelemetry(OPTIONS);
    const parent = propagation.extract(ROOT_CONTEXT, {
      traceparent: TRACEPARENT.replace(/1$/, '0'),
    });
    trace.getTracer('test').startSpan('unsampled', {}, parent).end();
    trace.getTracer('test').startSpan('sampled').end();
    await telemetry.shutdown();
    expect(collector.spans().map((span) => span.name)).toEqual(['sampled']);
  });

  test('gives up on a collector that does not answer', async () => {
    await using collector = await startCollector('hangs');
    const telemetry = await startTelemetry(OPTIONS);
    trace.getTracer('test').startSpan('work').end();
    const startedAtMs = performance.now();
    await telemetry.shutdown(100);
    expect(performance.now() - startedAtMs).toBeLessThan(2000);
    await vi.waitFor(() => expect(collector.bodies).toHaveLength(1));
  });

  test.each([
    ['no endpoint is set', {}],
    [
      'the SDK is disabled',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' },
    ],
    [
      'the exporter is none',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_EXPORTER: 'none' },
    ],
  ])('makes no spans but passes the context of the client on when %s', async (_name, variables) => {
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const telemetry = await startTelemetry(OPTIONS);
    const carrier: Record<string, string> = {};
    let seen: SpanContext | undefined;
    await context.with(clientContext(), async () => {
      await Promise.resolve();
      trace.getTracer('test').startActiveSpan('work', (span) => {
        expect(span.isRecording()).toBe(false);
        seen = span.spanContext();
        propagation.inject(context.active(), carrier);
      });
    });
    await telemetry.shutdown();
    expect(telemetry.isTracing).toBe(false);
    expect(seen?.traceId).toBe(TRACE_ID);
    expect(carrier).toEqual({ traceparent: TRACEPARENT });
  });
});
