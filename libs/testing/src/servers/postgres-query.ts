/**
 * As much of PostgreSQL's wire protocol as a test launcher needs: start without a password, run
 * statements without parameters, read no rows.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html
 */
import { connect } from 'node:net';

const QUERY_TIMEOUT_MS = 30_000;
const PROTOCOL_VERSION = 196_608;
const HEADER_BYTES = 5;

export interface PostgresTarget {
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

function startupMessage(target: PostgresTarget): Buffer {
  const text = `user\0${target.user}\0database\0${target.database}\0\0`;
  const message = Buffer.alloc(8 + Buffer.byteLength(text));
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(PROTOCOL_VERSION, 4);
  message.write(text, 8);
  return message;
}

function queryMessage(sql: string): Buffer {
  const text = `${sql}\0`;
  const message = Buffer.alloc(HEADER_BYTES + Buffer.byteLength(text));
  message.write('Q', 0);
  message.writeInt32BE(message.length - 1, 1);
  message.write(text, HEADER_BYTES);
  return message;
}

/** The human-readable field of an ErrorResponse. */
function errorText(body: Buffer): string {
  const fields = body.toString('utf8').split('\0');
  return fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'unknown error';
}

/** Runs statements in one transaction-less batch. Rejects with the server's message. */
export function runStatements(target: PostgresTarget, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(target.port, '127.0.0.1', () => socket.write(startupMessage(target)));
    let pending: Buffer = Buffer.alloc(0);
    let asked = false;
    const finish = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const receive = (type: string, body: Buffer) => {
      if (type === 'E') finish(new Error(`PostgreSQL: ${errorText(body)}`));
      if (type !== 'Z') return;
      if (asked) finish();
      else socket.write(queryMessage(sql));
      asked = true;
    };
    socket.setTimeout(QUERY_TIMEOUT_MS, () => finish(new Error('PostgreSQL does not answer')));
    socket.once('error', finish);
    socket.once('close', () => finish(new Error('PostgreSQL closed the connection')));
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= HEADER_BYTES) {
        const end = 1 + pending.readInt32BE(1);
        if (pending.length < end) return;
        receive(pending.toString('latin1', 0, 1), pending.subarray(HEADER_BYTES, end));
        pending = pending.subarray(end);
      }
    });
  });
}
