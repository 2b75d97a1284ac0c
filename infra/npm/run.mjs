/**
 * What `npm start` and its like call: installs the packages when they are missing, then runs a file of
 * the sources on the Node that was installed with them.
 *
 *   node infra/npm/run.mjs [--production | --gateway] FILE [argument…]
 *
 * `--production` does without the packages for development. So does `--gateway`, and it gives the file
 * the settings that keep its memory small.
 *
 * Not npm's `pre` scripts: npm skips those where `ignore-scripts` is set, as it is here. The file takes
 * the place of this process, with the flags and the environment that it needs from its start. Where
 * that cannot be (Windows, an older Node), it runs in this process, or in one below.
 */
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { MEMORY_ENVIRONMENT, MEMORY_FLAGS } from './memory-settings.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Runs the command below this process: same streams, same signals, same end. */
function runBelow(command, commandArguments) {
  const child = spawn(command, commandArguments, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    process.stderr.write(`${command} does not start: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

const commandArguments = process.argv.slice(2);
const isGateway = commandArguments[0] === '--gateway';
const isProduction = isGateway || commandArguments[0] === '--production';
if (isProduction) commandArguments.shift();
const [file = '', ...rest] = commandArguments;
const path = resolve(file);
const watchesShell = process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32';
const shellWatch = new URL('end-with-shell.mjs', import.meta.url).href;
const compileCache = join(root, 'node_modules/.cache/node-compile-cache');
const node = ensureInstalled(isProduction);
if (process.execve !== undefined && process.platform !== 'win32') {
  const flags = [...process.execArgv, ...(isGateway ? MEMORY_FLAGS : [])];
  if (watchesShell) flags.push('--import', shellWatch);
  const environment = {
    // Saves compiling, and taking the types away, on every start but the first.
    NODE_COMPILE_CACHE: compileCache,
    ...(isGateway && MEMORY_ENVIRONMENT),
    ...process.env,
  };
  process.execve(node, [node, ...flags, path, ...rest], environment);
}
if (watchesShell) await import(shellWatch);
if (node === realpathSync(process.execPath)) {
  process.argv.splice(1, process.argv.length, path, ...rest);
  module.enableCompileCache?.(compileCache);
  await import(pathToFileURL(path).href);
} else {
  runBelow(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
}
