import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ByteBudget } from '../src/byte-budget.ts';
import { type BodyBounds, readBody } from '../src/read-body.ts';
import { openRawConnection, type RawConnection } from './raw-connection.ts';

/** A server that reads one body, and the client's side of it. */
async function startReading(bounds: Partial<BodyBounds>, budgetBytes = 1_000) {
  const budget = new ByteBudget(2 * budgetBytes, budgetBytes);
  const outcome = Promise.withResolvers<string>();
  const server = createServer((request, response) => {
    readBody(request, budget.requestShare('a-key'), { bytesMax: 1_000, ...bounds })
      .then(
        (body) => outcome.resolve(body.toString()),
        (error: GatewayError) => outcome.resolve(error.code),
      )
      .then(() => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const connection = openRawConnection((server.address() as AddressInfo).port);
  return { connection, outcome: outcome.promise, budget };
}

function announce(connection: RawConnection, bytes: number): void {
  connection.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
}

function announceChunks(connection: RawConnection): void {
  connection.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
}

describe('a body', () => {
  test('is read from its pieces', async () => {
    const { connection, outcome } = await startReading({});
    announceChunks(connection);
    connection.send('3\r\nabc\r\n');
    connection.send('2\r\nde\r\n0\r\n\r\n');
    expect(await outcome).toBe('abcde');
  });

  test.for([
    [1_000, 'x'.repeat(1_000)],
    [1_001, 'request_too_large'],
  ] as const)('of %s bytes in chunks has its bound', async ([length, expected]) => {
    const { connection, outcome } = await startReading({}, 10_000);
    announceChunks(connection);
    connection.send(`${length.toString(16)}\r\n${'x'.repeat(length)}\r\n0\r\n\r\n`);
    expect(await outcome).toBe(expected);
  });

  test.for([
    [500, 'x'.repeat(500)],
    [501, 'overloaded'],
  ] as const)('of %s bytes in chunks needs room as it grows', async ([length, expected]) => {
    const { connection, outcome, budget } = await startReading({}, 500);
    announceChunks(connection);
    connection.send(`1\r\nx\r\n`);
    connection.send(`${(length - 1).toString(16)}\r\n${'x'.repeat(length - 1)}\r\n0\r\n\r\n`);
    expect(await outcome).toBe(expected);
    expect(budget.reserved).toBeLessThanOrEqual(500);
  });

  test('of which too little comes in an interval is given up', async () => {
    const pace = { intervalMs: 10, bytesPerIntervalMin: 20 };
    const { connection, outcome } = await startReading(pace);
    announce(connection, 500);
    connection.send('x'.repeat(19));
    expect(await outcome).toBe('request_timeout');
  });

  test('that takes too long in all is given up, however it comes', async () => {
    const pace = { intervalMs: 10, bytesPerIntervalMin: 0, timeoutMs: 30 };
    const { connection, outcome } = await startReading(pace);
    announce(connection, 500);
    connection.send('x'.repeat(499));
    expect(await outcome).toBe('request_timeout');
  });

  test('whose connection ends is the end of the client', async () => {
    const { connection, outcome, budget } = await startReading({});
    announce(connection, 500);
    connection.send('x');
    await waitFor(() => budget.reserved === 1, { what: 'the first byte' });
    connection.socket.destroy();
    expect(await outcome).toBe('client_closed');
  });
});
