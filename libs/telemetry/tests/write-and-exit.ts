/** Writes two pipes full of log lines and exits as soon as they are flushed. */
import { createLogger, flushLogs } from '../src/index.ts';

const LINES = 1000;
const filler = 'x'.repeat(200);

const logger = createLogger('writer');
for (let line = 0; line < LINES; line++) logger.info({ line, filler }, 'written');
await flushLogs(2000);
process.exit(0);
