/** Started by the test of the death of its parent: one server; prints its pid and log file. */
import { startNats } from '../src/index.ts';

const server = await startNats();
process.stdout.write(JSON.stringify({ pid: server.pid, logFile: server.logFile }));
setInterval(() => {}, 60_000);
