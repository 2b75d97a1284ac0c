import { type RunningServer, startNats } from '@gateway/testing';
import { connect, NatsConnectionImpl } from '@nats-io/transport-node';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { TurnEnd } from '../src/nats/turn-end.ts';
import { writePerTurn } from '../src/nats/write-per-turn.ts';

let server: RunningServer;

beforeAll(async () => {
  server = await startNats();
  return () => server.stop();
});

/** With a subscription to what is published here. */
async function connectPerTurn() {
  const connection = await connect({ servers: server.url, reconnectTimeWait: 10 });
  onTestFinished(() => connection.close());
  if (!(connection instanceof NatsConnectionImpl)) throw new Error('not the client we know');
  const turnEnd = new TurnEnd();
  writePerTurn(connection, turnEnd);
  const received: string[] = [];
  connection.subscribe('numbers', {
    callback: (_, message) => void received.push(message.string()),
  });
  await connection.flush();
  return { connection, turnEnd, received };
}

/** How many writes reach the socket that is there now, from now on. */
function countWrites({ protocol: { transport } }: NatsConnectionImpl): { count: number } {
  const write = transport.send.bind(transport);
  const writes = { count: 0 };
  transport.send = (bytes) => {
    writes.count += 1;
    write(bytes);
  };
  return writes;
}

async function publishInOneTurn(connection: NatsConnectionImpl, numbers: readonly string[]) {
  for (const number of numbers) {
    connection.publish('numbers', number);
    await Promise.resolve();
    await new Promise<void>((resolve) => process.nextTick(resolve));
  }
}

test('what is published in one turn of the event loop is one write, in its order', async () => {
  const { connection, turnEnd, received } = await connectPerTurn();
  const writes = countWrites(connection);
  await publishInOneTurn(connection, ['one', 'two', 'three']);
  await connection.flush();
  expect(writes.count).toBe(1);
  expect(received).toEqual(['one', 'two', 'three']);

  // Made in the turn and published at its end, a message is not late for the write.
  writes.count = 0;
  turnEnd.push(() => connection.publish('numbers', 'five'));
  connection.publish('numbers', 'four');
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes.count).toBe(1);
  await connection.flush();
  expect(received.slice(3)).toEqual(['four', 'five']);
});

test('so it is on the connection that follows a broken one', async () => {
  const { connection, received } = await connectPerTurn();
  const first = connection.protocol.transport;
  const statuses = connection.status()[Symbol.asyncIterator]();
  await connection.reconnect();
  for (let said = ''; said !== 'reconnect'; ) said = (await statuses.next()).value?.type;
  expect(connection.protocol.transport).not.toBe(first);
  const writes = countWrites(connection);
  await publishInOneTurn(connection, ['one', 'two', 'three']);
  await connection.flush();
  expect(writes.count).toBe(1);
  expect(received).toEqual(['one', 'two', 'three']);
});
