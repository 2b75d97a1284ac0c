/** A command to Redis as a person would type it: https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands */
import { once } from 'node:events';
import { connect } from 'node:net';

const TIMEOUT_MS = 2_000;

/** Resolves with the reply as it came. Rejects with an error of Redis. */
export async function runRedis(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('Redis does not answer')));
  try {
    await once(socket, 'connect');
    socket.write(`${command}\r\n`);
    const [reply] = (await once(socket, 'data')) as [Buffer];
    const text = reply.toString('utf8');
    if (text.startsWith('-')) throw new Error(`Redis: ${text.slice(1).trim()}`);
    return text;
  } finally {
    socket.destroy();
  }
}
