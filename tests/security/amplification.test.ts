/**
 * A bad request must cost the gateway little more than it costs whoever sends it. The bound is the one
 * that Envoy calls a security bug beyond: a hundred times the input, in memory and in processor time.
 */
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedGateway } from '../e2e/embedded-gateway.ts';
import { CLIENT_KEY, type Gateway } from '../e2e/gateway.ts';
import { callsOf, post, prompt, requestIdOf } from '../e2e/gateway-calls.ts';
import { useGateway } from '../e2e/use-gateway.ts';
import { processCost } from './process-cost.ts';

const FACTOR_MAX = 100;
const MEBIBYTE = 1024 * 1024;
/** What a heap may grow by itself. */
const SLACK_BYTES = 16 * MEBIBYTE;
const REQUESTS = 20;
/** Bodies on their way at once: less than the eighth of all that one key may hold. */
const CROWD_BYTES_MAX = 96 * MEBIBYTE;
const BUFFERED_BYTES_MAX = 1024 * MEBIBYTE;
const GOOD_REQUESTS = 100;
/** What holds memory or burns time does so in every round; a collection of garbage in some. */
const ROUNDS = 3;

const GOOD = { model: 'gpt-4o-mini', messages: [prompt('Hello')] };
const START = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"a"}],"metadata":';

interface Bad {
  readonly name: string;
  readonly body: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly isChunked?: true;
  readonly status: number;
  readonly code: string;
}

const members = (count: number, name: (index: number) => string) =>
  `{${Array.from({ length: count }, (_, index) => `"${name(index)}":0`).join(',')}}`;

const bad: readonly Bad[] = [
  {
    name: 'depth 500,000',
    body: `${START}${'['.repeat(500_000)}`,
    status: 400,
    code: 'json_too_deep',
  },
  {
    name: 'objects in objects',
    body: `${START}${'{"a":'.repeat(200_000)}`,
    status: 400,
    code: 'json_too_deep',
  },
  {
    name: 'a million members',
    body: `${START}${members(1_000_000, (index) => `k${index}`)}}`,
    status: 400,
    code: 'too_many_items',
  },
  {
    name: 'members that look like indexes',
    body: `${START}${members(100_001, (index) => String(index * 4_294_967))}}`,
    status: 400,
    code: 'too_many_items',
  },
  {
    name: 'a million elements',
    body: `${START}[${'0,'.repeat(999_999)}0]}`,
    status: 400,
    code: 'too_many_items',
  },
  {
    name: 'a hundred thousand tools',
    body: `{"model":"gpt-4o-mini","messages":[],"tools":[${'{},'.repeat(100_000)}{}]}`,
    status: 400,
    code: 'too_many_items',
  },
  {
    name: 'a model of a megabyte',
    body: JSON.stringify({ ...GOOD, model: 'x'.repeat(MEBIBYTE) }),
    status: 400,
    code: 'invalid_value',
  },
  {
    name: 'a megabyte that is no UTF-8',
    body: Buffer.alloc(MEBIBYTE, 0xff),
    status: 400,
    code: 'invalid_utf8',
  },
  { name: 'a short text that is cut', body: '{"model":', status: 400, code: 'invalid_json' },
  {
    name: 'a compressed bomb',
    body: gzipSync(Buffer.alloc(16 * MEBIBYTE)),
    headers: { 'content-encoding': 'gzip' },
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'a body over the bound',
    body: Buffer.alloc(33 * MEBIBYTE, 0x20),
    status: 413,
    code: 'request_too_large',
  },
  {
    name: 'a body over the bound in chunks',
    body: Buffer.alloc(33 * MEBIBYTE, 0x20),
    isChunked: true,
    status: 413,
    code: 'request_too_large',
  },
  {
    name: 'a large body without a valid key',
    body: Buffer.alloc(16 * MEBIBYTE, 0x20),
    headers: { authorization: 'Bearer a-key-that-nobody-made' },
    status: 401,
    code: 'invalid_api_key',
  },
  {
    name: 'a key of 8 KB',
    body: '{}',
    headers: { authorization: `Bearer ${'a'.repeat(8_192)}` },
    status: 401,
    code: 'invalid_api_key',
  },
];

describe('a bad request', () => {
  const gateway = useGateway(
    { start: startEmbeddedGateway },
    {
      settings: {
        GATEWAY_TRUSTED_PROXIES: 'loopback',
        GATEWAY_MAX_BUFFERED_BYTES: String(BUFFERED_BYTES_MAX),
      },
    },
  );
  const cost = () => processCost(gateway().operations['all-in-one'] ?? '');
  let goodCpuMs = 0;
  const measured: string[] = [];

  beforeAll(async () => {
    for (let count = 0; count < GOOD_REQUESTS; count += 1) await post(gateway(), GOOD);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await cost();
      for (let count = 0; count < GOOD_REQUESTS; count += 1) {
        const response = await post(gateway(), GOOD);
        expect(response.status).toBe(200);
        await response.arrayBuffer();
      }
      rounds.push(((await cost()).cpuMs - before.cpuMs) / GOOD_REQUESTS);
    }
    goodCpuMs = Math.min(...rounds);
    measured.push(`a good request: ${goodCpuMs.toFixed(2)} ms of CPU`);
  });

  afterAll(() => {
    console.info(measured.join('\n'));
  });

  test.each(bad)('costs little: $name', async (input) => {
    const { ledger } = gateway().simulator;
    const callsBefore = ledger.length;
    const requests = Math.min(REQUESTS, Math.floor(CROWD_BYTES_MAX / input.body.length));
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await cost();
      for (let count = 0; count < requests; count += 1) await expectRefused(gateway(), input);
      const after = await cost();
      rounds.push({
        cpuMs: (after.cpuMs - before.cpuMs) / requests,
        grownBytes: after.residentBytes - before.residentBytes,
      });
    }
    const cpuMs = Math.min(...rounds.map((round) => round.cpuMs));
    const grownBytes = Math.min(...rounds.map((round) => round.grownBytes));
    measured.push(
      `${input.name}: ${input.body.length} bytes, ${cpuMs.toFixed(2)} ms of CPU ` +
        `(${(cpuMs / goodCpuMs).toFixed(1)} good requests), RSS ${(grownBytes / MEBIBYTE).toFixed(1)} MiB`,
    );
    expect(cpuMs).toBeLessThanOrEqual(FACTOR_MAX * goodCpuMs);
    expect(grownBytes).toBeLessThanOrEqual(FACTOR_MAX * input.body.length + SLACK_BYTES);
    expect(ledger).toHaveLength(callsBefore);
    // Beside a crowd of them a good client is served.
    const crowd = Array.from({ length: requests }, () => expectRefused(gateway(), input));
    const good = await post(gateway(), GOOD);
    expect(good.status).toBe(200);
    expect(callsOf(gateway().simulator, requestIdOf(good))).toHaveLength(1);
    await Promise.all(crowd);
  });

  test.for([
    ['TLS', Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3])],
    ['noise', Buffer.alloc(64 * 1024, 0x80)],
    [
      'headers of 20 KB',
      Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`),
    ],
    [
      'a length and chunks',
      Buffer.from(
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      ),
    ],
  ] as const)('that is no request costs little: %s', async ([name, bytes]) => {
    const before = await cost();
    for (let count = 0; count < REQUESTS; count += 1) {
      expect(await answerTo(gateway(), bytes)).toMatch(/^HTTP\/1\.1 4(00|31) /);
    }
    const after = await cost();
    const cpuMs = (after.cpuMs - before.cpuMs) / REQUESTS;
    measured.push(`${name}: ${bytes.length} bytes, ${cpuMs.toFixed(2)} ms of CPU`);
    expect(cpuMs).toBeLessThanOrEqual(FACTOR_MAX * goodCpuMs);
    expect((await post(gateway(), GOOD)).status).toBe(200);
  });
});

let clients = 0;

/** Each from an address of its own, so that none is told to wait for its failures. */
async function expectRefused(gateway: Gateway, input: Bad): Promise<void> {
  clients += 1;
  const { body, isChunked } = input;
  const response = await fetch(`${gateway.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${CLIENT_KEY}`,
      'content-type': 'application/json',
      'x-forwarded-for': `2001:db8:${Math.floor(clients / 65_536).toString(16)}:${(clients % 65_536).toString(16)}::1`,
      ...input.headers,
    },
    ...(isChunked
      ? { body: ReadableStream.from(piecesOf(Buffer.from(body))), duplex: 'half' as const }
      : { body }),
  });
  expect(response.status).toBe(input.status);
  expect(await response.json()).toMatchObject({ error: { code: input.code } });
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += MEBIBYTE) {
    yield bytes.subarray(start, start + MEBIBYTE);
  }
}

/** All that is answered to these bytes until the connection ends. */
async function answerTo({ baseUrl }: Gateway, bytes: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(baseUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  socket.write(bytes);
  let text = '';
  socket.on('data', (piece) => {
    text += piece.toString('latin1');
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}
