/**
 * A transaction that begins with copies, as messages of PostgreSQL's protocol that are handed over at
 * once. After an error PostgreSQL ignores the copies that follow.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import type { CopyStatement } from './database.ts';

const QUERY = 0x51;
const COPY_DATA = 0x64;
const COPY_DONE = 0x63;
const LENGTH_BYTES = 4;
const NOTHING = new Uint8Array();

export function beginWithCopies(copies: readonly CopyStatement[]): Uint8Array {
  return Buffer.concat([
    ...queryMessage('BEGIN'),
    ...copies.flatMap(({ copyInto, bytes }) => [
      ...queryMessage(`COPY ${copyInto} FROM STDIN (FORMAT binary)`),
      ...message(COPY_DATA, bytes),
      ...message(COPY_DONE, NOTHING),
    ]),
  ]);
}

function queryMessage(sql: string): readonly Uint8Array[] {
  return message(QUERY, Buffer.from(`${sql}\0`));
}

/** Its type, its length but for the type, and what it holds. */
function message(type: number, body: Uint8Array): readonly Uint8Array[] {
  const head = Buffer.alloc(1 + LENGTH_BYTES);
  head[0] = type;
  head.writeInt32BE(LENGTH_BYTES + body.length, 1);
  return [head, body];
}
