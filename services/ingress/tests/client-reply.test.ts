import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ClientReply, type ClientReplyTimes } from '../src/client-reply.ts';
import { openaiErrors } from '../src/error-styles/openai.ts';
import { openRawConnection } from './raw-connection.ts';

const EVENT = Buffer.from('data: {"n":1}\n\n');
const NOTHING = new Uint8Array();
const LARGE = Buffer.alloc(16 * 1024 * 1024, 0x61);
const BROKEN = new GatewayError('stream_interrupted', 'It broke.');

/** A server that gives its one answer to the test, and the client's side of it. */
async function startReply(times: ClientReplyTimes = {}) {
  const began = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => began.resolve(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const connection = openRawConnection(port);
  connection.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const response = await began.promise;
  return { reply: new ClientReply(response, openaiErrors, times), response, connection };
}

describe('ClientReply', () => {
  test('sends a whole answer with its length and headers', async () => {
    const { reply, connection } = await startReply();
    expect([reply.begun, reply.status]).toEqual([false, undefined]);
    reply.sendWhole(201, 'text/plain', Buffer.from('hello'), ['x-a', 'b']);
    const [answer] = await connection.answers(1);
    expect(answer).toMatchObject({ status: 201, body: 'hello' });
    expect(answer?.headers.get('x-a')).toBe('b');
    await reply.settled();
    expect([reply.begun, reply.status, reply.bytes]).toEqual([true, 201, 5]);
    expect(reply.gone.aborted).toBe(false);
  });

  test.for(['sendWhole', 'end', 'interrupt'] as const)(
    'says that %s is to send the last byte before it does',
    async (how) => {
      const { reply, response } = await startReply();
      const written: number[] = [];
      // With what waits to be sent.
      const seen = () => Number(response.socket?.bytesWritten);
      reply.beforeLastByte(() => written.push(seen()));
      if (how === 'sendWhole') reply.sendWhole(200, 'text/plain', EVENT, []);
      else {
        reply.begin('text/event-stream', []);
        await reply.write(EVENT);
        expect(written).toEqual([]);
        if (how === 'end') reply.end(EVENT);
        else reply.interrupt(BROKEN, 'id');
      }
      expect(written).toHaveLength(1);
      expect(written[0]).toBeLessThan(seen());
      await reply.settled();
    },
  );

  test('cuts a client off that has not taken the answer by then', async () => {
    const { reply, connection } = await startReply();
    connection.socket.pause();
    reply.begin('text/event-stream', []);
    const written = reply.write(LARGE);
    reply.cutOffAt(Date.now() + 20);
    await written;
    await reply.settled();
    expect(reply.gone.aborted).toBe(true);
  });

  test('begins nothing when its head cannot be written', async () => {
    const { reply } = await startReply();
    expect(() => reply.begin('text/event-stream\r\n', [])).toThrow();
    expect(reply.begun).toBe(false);
  });

  test('streams, counts and ends cleanly', async () => {
    const { reply, connection } = await startReply();
    reply.begin('text/event-stream', []);
    await waitFor(() => connection.received.includes('\r\n\r\n'), { what: 'the head at once' });
    await reply.write(EVENT);
    await reply.write(new Uint8Array());
    await reply.write(EVENT);
    reply.end(EVENT);
    await reply.settled();
    expect(reply.bytes).toBe(3 * EVENT.length);
    await waitFor(() => connection.received.endsWith('0\r\n\r\n'), { what: 'the end' });
    expect(connection.received.split(EVENT.toString())).toHaveLength(4);
  });

  test('waits with more while the client takes nothing, and goes on when it does', async () => {
    const { reply, connection } = await startReply();
    connection.socket.pause();
    reply.begin('text/event-stream', []);
    let isTaken = false;
    const writing = reply.write(LARGE)?.then(() => {
      isTaken = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isTaken).toBe(false);
    connection.socket.resume();
    await writing;
    reply.end(NOTHING);
    await reply.settled();
    expect(reply.gone.aborted).toBe(false);
  });

  test('hears at once that the client left, while it waits for it and later', async () => {
    const { reply, connection } = await startReply();
    connection.socket.pause();
    reply.begin('text/event-stream', []);
    const writing = reply.write(LARGE);
    connection.socket.destroy();
    await writing;
    await reply.settled();
    expect(reply.gone.reason).toMatchObject({ code: 'client_closed' });
    const { bytes } = reply;
    await reply.write(EVENT);
    reply.end(NOTHING);
    reply.interrupt(BROKEN, 'id');
    expect(reply.bytes).toBe(bytes);
  });

  test('hears that the client left before it was made', async () => {
    const { response, connection } = await startReply();
    connection.socket.destroy();
    await waitFor(() => response.destroyed, { what: 'the end of the connection' });
    const reply = new ClientReply(response, openaiErrors);
    expect(reply.gone.aborted).toBe(true);
    reply.sendWhole(200, 'text/plain', EVENT, []);
    expect(reply.begun).toBe(false);
    await reply.settled();
  });

  test.for(['a stream', 'a whole answer', 'an interruption'])(
    'cuts off a client that takes nothing of %s',
    async (kind) => {
      const { reply, connection } = await startReply({ stallTimeoutMs: 50 });
      connection.socket.pause();
      if (kind === 'a whole answer') reply.sendWhole(200, 'text/plain', LARGE, []);
      else {
        reply.begin('text/event-stream', []);
        const writing = reply.write(LARGE);
        if (kind === 'an interruption') reply.interrupt(BROKEN, 'id');
        await writing;
      }
      await reply.settled();
      expect(reply.gone.aborted).toBe(true);
    },
  );

  test('does not take a slow provider for a stalled client', async () => {
    // More than a busy machine keeps a client that reads from reading.
    const stallTimeoutMs = 1_500;
    const { reply, connection } = await startReply({ stallTimeoutMs });
    reply.begin('text/event-stream', []);
    await reply.write(LARGE);
    await waitFor(() => connection.received.length > LARGE.length, { what: 'all of it' });
    const silentUntil = Date.now() + stallTimeoutMs + 200;
    await waitFor(() => Date.now() > silentUntil, { what: 'a pause of the provider' });
    expect(reply.gone.aborted).toBe(false);
    await reply.write(EVENT);
    reply.end(NOTHING);
    await reply.settled();
    expect(reply.gone.aborted).toBe(false);
  });

  test('keeps a silent stream alive, but not inside an event', async () => {
    const { reply, connection } = await startReply({ heartbeatMs: 10 });
    const heartbeats = () => connection.received.split(': keepalive\n\n').length - 1;
    reply.begin('text/event-stream', []);
    await waitFor(() => heartbeats() >= 2, { what: 'two heartbeats' });
    await reply.write(Buffer.from('data: {"n"'));
    await waitFor(() => connection.received.includes('{"n"'), { what: 'half an event' });
    const before = heartbeats();
    const silentUntil = Date.now() + 150;
    await waitFor(() => Date.now() > silentUntil, { what: 'some missed heartbeats' });
    expect(heartbeats()).toBe(before);
    await reply.write(Buffer.from(':1}\r\n\r\n'));
    await waitFor(() => heartbeats() > before, { what: 'another heartbeat' });
    reply.end(NOTHING);
    await reply.settled();
    expect(reply.bytes).toBe('data: {"n":1}\r\n\r\n'.length);
  });

  test('says an error in the stream, after which it does not end cleanly', async () => {
    const { reply, connection } = await startReply();
    reply.begin('text/event-stream', []);
    await reply.write(EVENT);
    reply.interrupt(BROKEN, 'id');
    await connection.closed();
    expect(connection.received).toContain('"code":"stream_interrupted"');
    expect(connection.received.endsWith('0\r\n\r\n')).toBe(false);
    await reply.settled();
  });

  test('says an error behind half an event as an event of its own', async () => {
    const { reply, connection } = await startReply();
    reply.begin('text/event-stream', []);
    await reply.write(Buffer.from('data: {"ha'));
    reply.interrupt(BROKEN, 'id');
    await connection.closed();
    expect(connection.received).toMatch(/\n\ndata: \{"error":.*\}\n\n/);
  });

  test('cuts off what is no stream', async () => {
    const { reply, connection } = await startReply();
    reply.interrupt(BROKEN, 'id');
    await reply.settled();
    expect(reply.gone.aborted).toBe(true);
    expect(reply.begun).toBe(false);
    await connection.closed();
    expect(connection.received).toBe('');
  });
});
