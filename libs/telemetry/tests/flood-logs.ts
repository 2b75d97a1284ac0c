/** Writes more log lines than may wait for a reader that has stopped, then tells its parent. */
import { createLogger, flushLogs, renderMetrics } from '../src/index.ts';

const LINES = 6000;
const filler = 'x'.repeat(2000);

const logger = createLogger('flood');
const startedAtMs = performance.now();
for (let line = 0; line < LINES; line++) logger.info({ line, filler }, 'flood');
await new Promise((resolve) => setImmediate(resolve));
const floodedMs = performance.now() - startedAtMs;
const dropped = /gateway_log_dropped_lines_total\{.*\} (\d+)/.exec(await renderMetrics())?.[1];
await flushLogs(100);
logger.info('nobody reads this, and nothing breaks');
process.send?.({ floodedMs, dropped: Number(dropped) }, () => process.exit(0));
