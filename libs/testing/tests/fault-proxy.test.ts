import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FaultProxy, startFaultProxy, waitFor } from '../src/index.ts';

let target: Server;
let proxy: FaultProxy;
const clients = new Set<Client>();

/** A client that keeps what it got. */
class Client {
  readonly socket: Socket;
  readonly pieces: Buffer[] = [];
  error: NodeJS.ErrnoException | undefined;
  isClosed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (piece: Buffer) => this.pieces.push(piece));
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    clients.add(this);
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }

  async ask(text: string): Promise<void> {
    const wanted = this.text + text;
    this.socket.write(text);
    await waitFor(() => this.text === wanted, { what: `the echo of ${text}` });
  }
}

beforeEach(async () => {
  target = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  proxy = await startFaultProxy({ targetPort: (target.address() as AddressInfo).port });
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  clients.clear();
  await proxy.stop();
  target.close();
});

test('passes data and ends on both ways', async () => {
  const client = new Client(proxy.port);
  await client.ask('hello');
  expect(proxy.connections).toBe(1);
  client.socket.end('bye');
  await waitFor(() => client.isClosed, { what: 'the end' });
  expect(client.text).toBe('hellobye');
  await waitFor(() => proxy.connections === 0, { what: 'no connections' });
});

test('delays each direction by its own latency, on an open connection', async () => {
  const client = new Client(proxy.port);
  await client.ask('a');
  proxy.setToxics('upstream', { latencyMs: 60 });
  proxy.setToxics('downstream', { latencyMs: 40 });
  const start = performance.now();
  await client.ask('b');
  expect(performance.now() - start).toBeGreaterThanOrEqual(99);
});

test('limits the bandwidth', async () => {
  proxy.setToxics('downstream', { bytesPerSecond: 10_000 });
  const client = new Client(proxy.port);
  const start = performance.now();
  await client.ask('x'.repeat(1_000));
  expect(performance.now() - start).toBeGreaterThanOrEqual(99);
});

test('holds data and ends in a black hole and lets them through after it', async () => {
  const client = new Client(proxy.port);
  await client.ask('a');
  proxy.setToxics('downstream', { blackHole: true });
  client.socket.end('held');
  const other = new Client(proxy.port);
  other.socket.write('also held');
  await waitFor(() => proxy.connections === 2, { what: 'both connections' });
  await expect(
    waitFor(() => client.text !== 'a' || client.isClosed || other.text !== '', {
      what: 'anything to come through',
      timeoutMs: 100,
    }),
  ).rejects.toThrow('Waited');
  proxy.setToxics('downstream', {});
  await waitFor(() => client.isClosed && client.text === 'aheld', { what: 'the rest' });
  await waitFor(() => other.text === 'also held', { what: 'the rest of the other' });
});

test('slices data', async () => {
  proxy.setToxics('downstream', { sliceBytes: 2 });
  const client = new Client(proxy.port);
  await client.ask('12345678');
  expect(client.pieces.length).toBeGreaterThan(1);
});

test('lets as many bytes through as the limit says, and closes at one more', async () => {
  proxy.setToxics('downstream', { limitBytes: 4 });
  const client = new Client(proxy.port);
  await client.ask('1234');
  expect(client.isClosed).toBe(false);
  client.socket.write('5');
  await waitFor(() => client.isClosed, { what: 'the close' });
  expect(client.text).toBe('1234');
});

test('resets open connections and takes new ones', async () => {
  const client = new Client(proxy.port);
  await client.ask('a');
  proxy.resetConnections();
  await waitFor(() => client.isClosed, { what: 'the reset' });
  expect(client.error?.code).toBe('ECONNRESET');
  await new Client(proxy.port).ask('b');
});

test('refuses connections while down and takes them on the same port after', async () => {
  const client = new Client(proxy.port);
  await client.ask('a');
  await proxy.down();
  await waitFor(() => client.isClosed, { what: 'the close' });
  const refused = new Client(proxy.port);
  await waitFor(() => refused.isClosed, { what: 'the refusal' });
  expect(refused.error?.code).toBe('ECONNREFUSED');
  await proxy.up();
  await new Client(proxy.port).ask('b');
});
