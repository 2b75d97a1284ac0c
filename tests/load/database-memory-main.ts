/** What the embedded database adds to the resident memory of a process: opens the one in a directory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openPglite } from '../../services/audit-writer/src/pglite.ts';

const SETTLE_MS = 2_000;

/** As the gateway does when it has started. */
const collect = () => globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' });

await collect();
const before = process.memoryUsage.rss();
const database = openPglite(process.argv[2] ?? '');
await database.query('SELECT count(*) FROM audit');
await collect();
await sleep(SETTLE_MS);
process.stdout.write(`added ${process.memoryUsage.rss() - before}\n`);
await database.close();
