import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { HealthChecks, startOperationsServer } from '../src/index.ts';

async function open() {
  const health = new HealthChecks();
  const server = await startOperationsServer({ host: '127.0.0.1', port: 0, health });
  const ask = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { health, server, ask, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('answers /livez in every phase and /readyz by the checks', async () => {
  await using operations = await open();
  expect((await operations.ask('/livez')).status).toBe(200);
  const starting = await operations.ask('/readyz');
  expect(starting.status).toBe(503);
  expect(await starting.json()).toEqual({ status: 'not ready', failing: { process: 'starting' } });
  operations.health.markStarted();
  const ready = await operations.ask('/readyz?verbose');
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({ status: 'ready', failing: {} });
});

test('answers /metrics in the text format of Prometheus', async () => {
  await using operations = await open();
  const response = await operations.ask('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await response.text()).toMatch(/^process_memory_usage \d+$/m);
});

test('answers other paths and methods with JSON errors', async () => {
  await using operations = await open();
  const unknown = await operations.ask('/');
  expect([unknown.status, await unknown.json()]).toMatchObject([
    404,
    { error: { code: 'not_found' } },
  ]);
  const post = await operations.ask('/livez', { method: 'POST' });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('refuses headers over 8 KiB and keeps answering', async () => {
  await using operations = await open();
  const response = await operations.ask('/livez', { headers: { 'x-long': 'x'.repeat(8192) } });
  expect(response.status).toBe(431);
  expect((await operations.ask('/livez')).status).toBe(200);
});

test('closes at once although a client holds a connection open', async () => {
  const operations = await open();
  const socket = connect(operations.server.port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await operations[Symbol.asyncDispose]();
  await closed;
  expect(socket.destroyed).toBe(true);
});

test('rejects when its address is taken', async () => {
  await using operations = await open();
  const { port } = operations.server;
  const second = startOperationsServer({ host: '127.0.0.1', port, health: new HealthChecks() });
  await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
