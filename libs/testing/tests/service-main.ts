/** A small service for the test of the process starter. */
import { createServer } from 'node:http';

const server = createServer((_request, response) => response.end('ok'));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  process.stdout.write(`${JSON.stringify({ level: 'info', port, name: process.env.NAME })}\n`);
});
process.on('SIGTERM', () => {
  process.stderr.write('draining\n');
  server.close(() => process.exit(7));
  server.closeAllConnections();
});
