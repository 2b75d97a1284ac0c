/**
 * Runs a file of a package that has a lockfile of its own, which no other command installs:
 *
 *   node infra/npm/run.mjs infra/npm/run-package.mjs DIRECTORY FILE [argument…]
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureOwnPackages } from './install.mjs';

const [directory = '', file = '', ...rest] = process.argv.slice(2);
ensureOwnPackages(directory);
const path = join(process.cwd(), directory, file);
process.argv.splice(1, process.argv.length, path, ...rest);
await import(pathToFileURL(path).href);
