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

test('what is published in one turn of the event loop is one write, in its order', async () => {
  const connection = await connect({ servers: server.url });
  onTestFinished(() => connection.close());
  if (!(connection instanceof NatsConnectionImpl)) throw new Error('not the client we know');
  const { transport } = connection.protocol;
  const write = transport.send.bind(transport);
  let writes = 0;
  transport.send = (bytes) => {
    writes += 1;
    write(bytes);
  };
  const turnEnd = new TurnEnd();
  writePerTurn(connection, turnEnd);
  const received: string[] = [];
  connection.subscribe('numbers', {
    callback: (_, message) => void received.push(message.string()),
  });
  await connection.flush();

  writes = 0;
  for (const number of ['one', 'two', 'three']) {
    connection.publish('numbers', number);
    await Promise.resolve();
    await new Promise<void>((resolve) => process.nextTick(resolve));
  }
  await connection.flush();
  expect(writes).toBe(1);
  expect(received).toEqual(['one', 'two', 'three']);

  // Made in the turn and published at its end, a message is not late for the write.
  writes = 0;
  turnEnd.push(() => connection.publish('numbers', 'five'));
  connection.publish('numbers', 'four');
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes).toBe(1);
  await connection.flush();
  expect(received.slice(3)).toEqual(['four', 'five']);
});
