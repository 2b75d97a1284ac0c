import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { freeLoopbackPort } from '@gateway/testing';
import { afterAll, describe, expect, test } from 'vitest';
import type { Answer, Asked } from '../cluster/client.ts';
import { startCluster } from '../cluster/start-cluster.ts';

const MEBIBYTE = 1024 * 1024;
/** What the worker may hold of one answer is 32 MiB; this is more than it may grow by for all of them. */
const GROWTH_BYTES_MAX = 256 * MEBIBYTE;

let stolen = 0;
const canary = createServer((_request, response) => {
  stolen += 1;
  response.end();
});

const completion = (content: string) =>
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'any',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });

/** Sends the pieces for as long as somebody reads. */
function pour(response: ServerResponse, piece: Buffer, count: number): void {
  const pieces = Readable.from(
    (function* () {
      for (let sent = 0; sent < count; sent += 1) yield piece;
    })(),
  );
  pipeline(pieces, response).catch(() => undefined);
}

const json = { 'content-type': 'application/json' };
const events = { 'content-type': 'text/event-stream' };

const behaviours: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
  large: (response) => response.writeHead(200, json).end(completion('x'.repeat(5 * MEBIBYTE))),
  endless: (response) => pour(response.writeHead(200, json), Buffer.alloc(MEBIBYTE, '[1,'), 1024),
  'endless-event': (response) =>
    pour(response.writeHead(200, events), Buffer.alloc(MEBIBYTE, 'data: x'), 1024),
  'gzip-bomb': (response) =>
    response
      .writeHead(200, { ...json, 'content-encoding': 'gzip' })
      .end(gzipSync(Buffer.alloc(256 * MEBIBYTE, ' '))),
  'large-headers': (response) => {
    for (let index = 0; index < 64; index += 1)
      response.setHeader(`x-${index}`, 'x'.repeat(16_000));
    response.writeHead(200, json).end(completion('Hello'));
  },
  redirect: (response) =>
    response.writeHead(307, { location: `http://127.0.0.1:${portOf(canary)}/` }).end(),
  empty: (response) => response.writeHead(200, json).end(),
  page: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello</p>'),
  'error-with-200': (response) =>
    response.writeHead(200, json).end('{"error":{"message":"no","type":"server_error"}}'),
};

function portOf(server: ReturnType<typeof createServer>): number {
  return (server.address() as AddressInfo).port;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await request.toArray()).toString('utf8');
  const { model } = JSON.parse(body) as { readonly model: string };
  behaviours[model]?.(response);
}

const provider = createServer((request, response) => void answer(request, response));
for (const server of [provider, canary]) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

const answers: Answer[] = [];
const cluster = await startCluster({
  configuration: `
timeouts: { connect_seconds: 1, first_byte_seconds: 5, idle_seconds: 3, total_seconds: 15 }
providers:
  hostile: { kind: openai-compatible, base_url: "http://127.0.0.1:${portOf(provider)}" }
  refusing: { kind: openai-compatible, base_url: "http://127.0.0.1:${await freeLoopbackPort()}" }
  nowhere: { kind: openai-compatible, base_url: "http://gateway.invalid" }
  plaintext: { kind: openai-compatible, base_url: "https://127.0.0.1:${portOf(provider)}" }
`,
});

async function ask(asked: Asked): Promise<Answer> {
  const answer = await cluster.ask(asked);
  answers.push(answer);
  return answer;
}

afterAll(async () => {
  await cluster.quiet();
  expect(stolen).toBe(0);
  // Nobody keeps an account of what this provider is asked, so rows are held to the clients alone.
  const rows = await cluster.rows();
  expect(rows.map(({ request_id, status }) => [request_id, status]).sort()).toEqual(
    answers.map(({ requestId, status }) => [requestId, status]).sort(),
  );
  await cluster[Symbol.asyncDispose]();
  for (const server of [provider, canary]) {
    server.closeAllConnections();
    server.close();
  }
});

test('an answer larger than a message of the bus arrives whole', async () => {
  const { status, end, text } = await ask({ model: 'hostile/large' });
  expect([status, end, text.length]).toEqual([200, 'whole', 5 * MEBIBYTE]);
});

describe.each([false, true])('stream: %s', (stream) => {
  test.each(Object.keys(behaviours).filter((model) => model !== 'large'))(
    '%s is refused as a bad answer, and costs a bounded amount of memory',
    async (model) => {
      const memory = () =>
        Promise.all(
          ['ingress-1', 'provider-worker-1'].map((id) =>
            cluster.process(id).metric('process_memory_usage'),
          ),
        );
      const before = await memory();
      const { status, end, errorCode } = await ask({ model: `hostile/${model}`, stream });
      const after = await memory();
      if (status === 200) expect([end, typeof errorCode]).toEqual(['error-event', 'string']);
      else expect([status, errorCode]).toEqual([502, expect.stringMatching(/^provider_/)]);
      for (const [index, bytes] of after.entries()) {
        expect(before[index]).toBeGreaterThan(0);
        expect(bytes - (before[index] ?? 0)).toBeLessThan(GROWTH_BYTES_MAX);
      }
    },
  );
});

test.each(['refusing', 'nowhere', 'plaintext'])(
  'a provider that cannot be reached (%s) gives 502',
  async (name) => {
    const { status, errorCode } = await ask({ model: `${name}/any` });
    expect([status, errorCode]).toEqual([502, 'provider_unavailable']);
  },
);
