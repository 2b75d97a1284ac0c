import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { startOtlpReceiver } from '../src/index.ts';

const span = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  name: 'chat gpt-4o',
  kind: 3,
  startTimeUnixNano: '1700000000000000001',
  endTimeUnixNano: '1700000000000000002',
  attributes: [
    { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o' } },
    { key: 'gen_ai.usage.input_tokens', value: { intValue: '12' } },
    { key: 'list', value: { arrayValue: { values: [{ boolValue: true }] } } },
  ],
  links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: [] }],
  status: { code: 2, message: 'timeout' },
};
const body = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'ingress' } }] },
      scopeSpans: [
        { scope: { name: 'scope' }, spans: [span, { ...span, parentSpanId: 'c'.repeat(16) }] },
      ],
    },
  ],
};

test('keeps spans as plain objects, compressed or not', async () => {
  await using receiver = await startOtlpReceiver();
  const post = (sent: string | Buffer, headers: Record<string, string>) =>
    fetch(`${receiver.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: new Uint8Array(Buffer.from(sent)),
    });
  expect((await post(JSON.stringify(body), {})).status).toBe(200);
  await post(gzipSync(JSON.stringify(body)), { 'content-encoding': 'gzip' });
  const [root, child] = await receiver.waitForSpans((spans) => spans.length === 4);
  expect(root).toEqual({
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: undefined,
    name: 'chat gpt-4o',
    kind: 'client',
    startNs: 1_700_000_000_000_000_001n,
    endNs: 1_700_000_000_000_000_002n,
    status: 'error',
    statusMessage: 'timeout',
    attributes: { 'gen_ai.request.model': 'gpt-4o', 'gen_ai.usage.input_tokens': 12, list: [true] },
    events: [],
    links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: {} }],
    scope: 'scope',
    resource: { 'service.name': 'ingress' },
  });
  expect(child?.parentSpanId).toBe('c'.repeat(16));
});

test.each([
  { name: 'protobuf', type: 'application/x-protobuf', sent: '', status: 415, says: 'http/json' },
  { name: 'broken JSON', type: 'application/json', sent: '{', status: 400, says: 'JSON' },
])('says clearly that it does not take $name', async ({ type, sent, status, says }) => {
  await using receiver = await startOtlpReceiver();
  const response = await fetch(`${receiver.url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: sent,
  });
  expect(response.status).toBe(status);
  expect(await response.text()).toContain(says);
  await expect(receiver.waitForSpans((spans) => spans.length > 0, 20)).rejects.toThrow('20 ms');
});
