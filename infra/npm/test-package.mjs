/**
 * Tests a package that has a lockfile of its own, which no other command installs:
 *
 *   node infra/npm/run.mjs infra/npm/test-package.mjs DIRECTORY [argument of vitest…]
 *
 * Vitest itself is the one of the root.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureOwnPackages } from './install.mjs';

const [directory = '', ...rest] = process.argv.slice(2);
const vitest = join(process.cwd(), 'node_modules/vitest/vitest.mjs');
ensureOwnPackages(directory);
process.chdir(directory);
process.argv.splice(1, process.argv.length, vitest, 'run', ...rest);
await import(pathToFileURL(vitest).href);
