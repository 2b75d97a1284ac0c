/**
 * What `npm start` and its like call: installs the packages when they are missing, then runs a file of
 * the sources on the Node that was installed with them.
 *
 *   node infra/npm/run.mjs [--production] FILE [argument…]
 *
 * Not npm's `pre` scripts: npm skips those where `ignore-scripts` is set, as it is here. In the very
 * command that installs, an older Node may run this; the file then gets a process of its own.
 */
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensureInstalled } from './install.mjs';

const SHELL_POLL_MS = 200;

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * A signal to npm ends the shell between npm and this process, which passes nothing on. So the end of
 * the shell counts as the signal.
 */
function endWithShell() {
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, SHELL_POLL_MS);
  watch.unref();
}

/** Runs the command in this process' place: same streams, same signals, same end. */
function replaceBy(command, commandArguments) {
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
const isProduction = commandArguments[0] === '--production';
if (isProduction) commandArguments.shift();
const [file = '', ...rest] = commandArguments;
if (process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32') endWithShell();
const node = ensureInstalled(isProduction);
if (node === realpathSync(process.execPath)) {
  const path = resolve(file);
  process.argv.splice(1, process.argv.length, path, ...rest);
  // Saves compiling, and taking the types away, on every start but the first.
  module.enableCompileCache?.(join(root, 'node_modules/.cache/node-compile-cache'));
  await import(pathToFileURL(path).href);
} else {
  replaceBy(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
}
