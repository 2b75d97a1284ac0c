/** Started by the test of the parent's death: one server, its pid and directory on standard output. */
import { startNats } from '../src/index.ts';

const server = await startNats();
process.stdout.write(JSON.stringify({ pid: server.pid, logFile: server.logFile }));
setInterval(() => {}, 60_000);
