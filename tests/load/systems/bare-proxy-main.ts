/**
 * What Node itself costs: a proxy that passes requests and answers on, and does nothing else. Its
 * argument is the upstream's address; it says the port that it listens on.
 */
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

const BACKLOG = 4_096;

const upstream = new URL(process.argv[2] ?? '');
const agent = new Agent({ keepAlive: true });

const server = createServer({ noDelay: true }, (incoming, response) => {
  const { 'content-type': contentType, 'content-length': contentLength } = incoming.headers;
  const onward = request({
    agent,
    hostname: upstream.hostname,
    port: upstream.port,
    method: incoming.method,
    path: incoming.url,
    headers: { 'content-type': contentType, 'content-length': contentLength },
  });
  onward.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  onward.once('error', () => response.destroy());
  incoming.pipe(onward);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG });
await once(server, 'listening');
process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
