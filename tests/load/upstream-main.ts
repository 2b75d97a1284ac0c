/** The upstream as a process, and beside it a collector that takes traces and forgets them. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startUpstream } from './upstream.ts';

const upstream = await startUpstream();
const collector = createServer((request, response) => {
  request.resume().once('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  });
});
collector.listen(0, '127.0.0.1');
await once(collector, 'listening');
const { port: collectorPort } = collector.address() as AddressInfo;
process.stdout.write(`upstream ${upstream.port} collector ${collectorPort}\n`);
