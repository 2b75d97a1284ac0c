import { randomBytes } from 'node:crypto';
import { streams, subjects } from '@gateway/protocol';
import type { ReceivedSpan } from '@gateway/testing';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { PROMPT_CANARY, SECRET_CANARY } from './gateway.ts';
import { createKey, MODELS, post, prompt, requestIdOf, rowOf } from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const TRACE_TIMEOUT_MS = 60_000;

const SERVER_SPAN = 'POST /v1/chat/completions';
const PROCESS = {
  reserve: `process ${subjects.reserve}`,
  lookup: `process ${subjects.cacheLookup}`,
  inference: `process ${subjects.inference('<provider>')}`,
  finished: `process ${subjects.event('finished')}`,
  batch: `process ${streams.events.name}`,
};

const GEN_AI_PROVIDERS = { openai: 'openai', anthropic: 'anthropic', google: 'gcp.gemini' };

const settings = { RATE_LIMIT_REQUESTS: '1000' };

describe.each(gatewayKinds)('the trace of a request to the $name gateway', (kind) => {
  const gateway = useGateway(kind, { settings });

  /** The spans of a trace, once the last of them, the audit-writer's, has come. */
  function traceOf(traceId: string): Promise<ReceivedSpan[]> {
    const whole = () => {
      const spans = gateway().otlp.spans.filter((span) => span.traceId === traceId);
      const names = new Set(spans.map(({ name }) => name));
      return names.has(PROCESS.finished) && names.has(SERVER_SPAN) && spans;
    };
    return waitFor(whole, { what: 'the whole trace', timeoutMs: TRACE_TIMEOUT_MS });
  }

  function only(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
    const [span, ...more] = spans.filter((candidate) => candidate.name === name);
    if (span === undefined || more.length > 0) {
      const names = spans.map((candidate) => candidate.name).join(', ');
      throw new Error(`There is not exactly one span ${name} in: ${names}`);
    }
    return span;
  }

  test.each(MODELS)('is one tree over all services ($provider)', async ({ provider, model }) => {
    const messages = [prompt('Trace this sim:nonce=traced')];
    const response = await post(gateway(), { model, messages, temperature: 0, stream: true });
    await response.text();
    const { trace_id, output_tokens, input_tokens } = await rowOf(gateway(), requestIdOf(response));
    const spans = await traceOf(trace_id ?? '');

    const server = only(spans, SERVER_SPAN);
    expect(server).toMatchObject({ kind: 'server', parentSpanId: undefined, status: 'unset' });
    expect(server.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/chat/completions',
      'http.response.status_code': 200,
    });
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    for (const span of spans) {
      expect([span.name, span === server || byId.has(span.parentSpanId ?? '')]).toEqual([
        span.name,
        true,
      ]);
    }
    for (const name of [PROCESS.reserve, PROCESS.lookup, PROCESS.inference]) {
      const span = only(spans, name);
      expect(span).toMatchObject({ kind: 'consumer', parentSpanId: server.spanId });
      expect(span.attributes['messaging.system']).toBe('nats');
    }

    const call = only(spans, `chat ${model}`);
    expect(call).toMatchObject({
      kind: 'client',
      parentSpanId: only(spans, PROCESS.inference).spanId,
    });
    expect(call.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': GEN_AI_PROVIDERS[provider],
      'gen_ai.request.model': model,
      'gen_ai.response.model': model,
      'gen_ai.request.stream': true,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': input_tokens,
      'gen_ai.usage.output_tokens': output_tokens,
      'gen_ai.usage.cache_read.input_tokens': expect.any(Number),
      'server.address': '127.0.0.1',
    });
    expect(call.attributes['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(0);
    expect(call.startNs).toBeGreaterThanOrEqual(server.startNs);
    expect(call.endNs).toBeLessThanOrEqual(server.endNs);

    const written = only(spans, PROCESS.finished);
    expect(written.kind).toBe('consumer');
    const [link, ...moreLinks] = written.links;
    expect(moreLinks).toEqual([]);
    const batch = await waitFor(
      () => gateway().otlp.spans.find(({ spanId }) => spanId === link?.spanId),
      { what: 'the span of the batch' },
    );
    expect(batch).toMatchObject({ name: PROCESS.batch, kind: 'consumer' });
    expect(batch.traceId).toBe(link?.traceId);
    expect(batch.traceId).not.toBe(trace_id);
    expect(batch.attributes['messaging.batch.message_count']).toBeGreaterThan(0);
  });

  test('comes from the services that did the work', async () => {
    const messages = [prompt('Who did this?')];
    const response = await post(gateway(), { model: 'gpt-4o-mini', messages, temperature: 0 });
    const { trace_id } = await rowOf(gateway(), requestIdOf(response));
    const spans = await traceOf(trace_id ?? '');
    const serviceOf = (name: string) => only(spans, name).resource['service.name'];
    const isStack = kind.name === 'stack';
    expect({
      server: serviceOf(SERVER_SPAN),
      reserve: serviceOf(PROCESS.reserve),
      lookup: serviceOf(PROCESS.lookup),
      call: serviceOf('chat gpt-4o-mini'),
      finished: serviceOf(PROCESS.finished),
    }).toEqual({
      server: isStack ? 'gateway-ingress' : 'gateway-all-in-one',
      reserve: isStack ? 'gateway-rate-limiter' : 'gateway-all-in-one',
      lookup: isStack ? 'gateway-cache' : 'gateway-all-in-one',
      call: isStack ? 'gateway-provider-worker' : 'gateway-all-in-one',
      finished: isStack ? 'gateway-audit-writer' : 'gateway-all-in-one',
    });
  });

  test('continues the one of the client', async () => {
    const traceId = randomBytes(16).toString('hex');
    const spanId = randomBytes(8).toString('hex');
    const response = await post(
      gateway(),
      { model: 'gpt-4o-mini', messages: [prompt('Continue this')] },
      { headers: { traceparent: `00-${traceId}-${spanId}-01` } },
    );
    expect(response.status).toBe(200);
    const spans = await traceOf(traceId);
    expect(only(spans, SERVER_SPAN).parentSpanId).toBe(spanId);
    expect((await rowOf(gateway(), requestIdOf(response))).trace_id).toBe(traceId);
    expect(spans.map(({ name }) => name)).toContain('chat gpt-4o-mini');
  });

  test('says what failed', async () => {
    const messages = [prompt('sim:status=503')];
    const response = await post(gateway(), { model: 'gpt-4o-mini', messages });
    const { trace_id, error_code } = await rowOf(gateway(), requestIdOf(response));
    const spans = await traceOf(trace_id ?? '');
    expect(only(spans, SERVER_SPAN)).toMatchObject({ status: 'error' });
    // The call and its one repetition.
    const calls = spans.filter(({ name }) => name === 'chat gpt-4o-mini');
    const failed = { status: 'error', attributes: { 'error.type': error_code } };
    expect(calls).toMatchObject([failed, failed]);
  });

  test('has no call of a provider for a stored answer', async () => {
    const body = { model: 'gpt-4o-mini', temperature: 0, messages: [prompt('sim:nonce=stored')] };
    await post(gateway(), body).then((response) => response.text());
    const hit = await post(gateway(), body);
    expect(hit.headers.get('x-gateway-cache')).toBe('hit');
    const { trace_id } = await rowOf(gateway(), requestIdOf(hit));
    const names = (await traceOf(trace_id ?? '')).map(({ name }) => name);
    expect(names).toContain(PROCESS.lookup);
    expect(names).not.toContain(PROCESS.inference);
  });

  test('holds neither a prompt, an answer nor a key', async () => {
    const { key } = await createKey(gateway());
    const client = { baseUrl: gateway().baseUrl, clientKey: key };
    for (const text of ['Hello', 'sim:status=400', 'sim:cut=first-byte', 'sim:malformed']) {
      const response = await post(client, { model: 'gemini-2.5-flash', messages: [prompt(text)] });
      const { trace_id } = await rowOf(gateway(), requestIdOf(response));
      await traceOf(trace_id ?? '');
    }
    expect(gateway().otlp.spans.length).toBeGreaterThan(20);
    const exported = JSON.stringify(gateway().otlp.spans, (_name, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(exported).not.toContain(PROMPT_CANARY);
    expect(exported).not.toContain(SECRET_CANARY);
    expect(exported).not.toContain(key);
  });

  test('is named in the log lines of the request', async () => {
    const messages = [prompt('sim:status=500')];
    const response = await post(gateway(), { model: 'gpt-4o-mini', messages });
    const requestId = requestIdOf(response);
    const { trace_id } = await rowOf(gateway(), requestId);
    const lines = await waitFor(
      async () => {
        const output = Object.values(await gateway().output()).join('\n');
        const found = output.split('\n').filter((line) => line.includes(requestId));
        return found.length > 0 && found;
      },
      { what: 'a log line of the request' },
    );
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ trace_id });
  });
});
