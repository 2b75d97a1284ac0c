/** Makes a database in the directory that is its argument, and ends. */
import { openDirectory } from './pglite-worker.ts';

const [directory = ''] = process.argv.slice(2);
const database = await openDirectory(directory);
await database.close();
