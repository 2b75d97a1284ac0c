import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { drive } from './drive.ts';
import { COUNTER, type Load } from './load.ts';
import { startUpstream } from './upstream.ts';

const MINUTE_MS = 60_000;

function load(port: number, more: Partial<Load> = {}): Load {
  return {
    port,
    path: '/v1/chat/completions',
    headers: {},
    body: JSON.stringify({ model: 'gpt-bench', number: COUNTER }),
    expectedStatus: 200,
    connections: 4,
    durationMs: MINUTE_MS,
    ...more,
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('every request of a closed load is answered', async () => {
  await using upstream = await startUpstream();
  const result = await drive(load(upstream.port, { requestsMax: 1_000 }));
  expect(result).toMatchObject({ failures: 0, chunks: 0 });
  // Those that the others had asked when the last one was asked are answered too.
  expect(result.requests).toBeGreaterThanOrEqual(1_000);
  expect(result.requests).toBeLessThan(1_000 + 4);
});

test('a load at a rate asks as often as it is told, over no more connections', async () => {
  await using upstream = await startUpstream();
  const rate = { ratePerSecond: 500, requestsMax: 100, connections: 2 };
  expect(await drive(load(upstream.port, rate))).toMatchObject({ requests: 100, failures: 0 });
});

test.each([0, 2])('every chunk of streams is seen, one each %i ms', async (intervalMs) => {
  await using upstream = await startUpstream();
  const body = JSON.stringify({ model: `gpt-bench-stream-20x${intervalMs}`, number: COUNTER });
  const result = await drive(load(upstream.port, { body, ratePerSecond: 100, requestsMax: 5 }));
  expect(result).toMatchObject({ requests: 5, failures: 0, chunks: 100 });
});

test.each([undefined, 1_000])('a connection that ends is replaced, rate %s', async (rate) => {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.end('{}'));
  });
  server.maxRequestsPerSocket = 3;
  const port = await listen(server);
  const atRate = rate === undefined ? {} : { ratePerSecond: rate };
  const result = await drive(load(port, { connections: 1, requestsMax: 20, ...atRate }));
  expect(result).toMatchObject({ requests: 20, failures: 0 });
  server.close();
});

test('a connection that was never used and that the server gives up is no failure', async () => {
  const waits = { headersTimeout: 100, connectionsCheckingInterval: 20 };
  const server = createServer(waits, (request, response) => {
    request.resume().once('end', () => response.end('{}'));
  });
  let givenUp = 0;
  server.on('clientError', (_, socket) => {
    givenUp += 1;
    socket.end('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  const port = await listen(server);
  // All but the first are given up long before a second request is due.
  const rate = { connections: 64, ratePerSecond: 2, requestsMax: 3 };
  expect(await drive(load(port, rate))).toMatchObject({ requests: 3, failures: 0 });
  expect(givenUp).toBeGreaterThan(0);
  server.close();
});

test('bodies differ in their number and have the length that is said', async () => {
  const bodies = new Set<string>();
  const server = createServer(async (request, response) => {
    bodies.add(String(Buffer.concat(await Array.fromAsync(request))));
    response.end('{}');
  });
  const port = await listen(server);
  const body = JSON.stringify({ text: `${COUNTER}${'x'.repeat(100_000)}` });
  await drive(load(port, { body, ratePerSecond: 1_000, requestsMax: 20 }));
  expect(bodies.size).toBe(20);
  expect([...bodies].every((one) => one.length === body.length)).toBe(true);
  server.close();
});

test('another status is a failure', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(503).end();
  });
  const port = await listen(server);
  expect(await drive(load(port, { connections: 1, requestsMax: 2 }))).toMatchObject({
    requests: 0,
    failures: 2,
    firstFailure: 'answered with 503',
  });
  server.close();
});
