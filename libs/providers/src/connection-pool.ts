import { Pool } from 'undici';

export const USER_AGENT = 'ai-api-gateway';

/** Servers close idle connections too, often after 5 s; a request sent into such a close is lost. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MS_MAX = 60_000;
const HEADER_BYTES_MAX = 32 * 1024;
/** The longest that a configuration may ask for; each call has its own, shorter or equal. */
const CONNECT_MS_MAX = 60_000;

/** Connections to one server, `connectionsMax` at most; further calls wait for one. */
export function openPool(origin: string, connectionsMax: number): Pool {
  return new Pool(origin, {
    connections: connectionsMax,
    pipelining: 1,
    // A cancelled call has to close its socket, not a stream among others.
    allowH2: false,
    connectTimeout: CONNECT_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
    maxHeaderSize: HEADER_BYTES_MAX,
  });
}
