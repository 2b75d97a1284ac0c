/**
 * Installs the locked packages when they are missing or stale, and does nothing, in a few
 * milliseconds, when they are there. Plain JavaScript without imports of packages, since it runs
 * before there are any and on Node 20. `run.mjs` calls it; by itself:
 *
 *   node infra/npm/install.mjs [--production]
 *
 * What is installed is read from the record that npm keeps of it, so that an install made by hand
 * counts too. An install with the development packages serves for production and is kept complete.
 *
 * Other processes may start or run on the packages meanwhile, and nobody waits for those. So what is
 * there in its locked version stays: `npm ci`, which removes everything first, is for a folder without
 * packages, or with broken ones.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withInstallLock } from './install-lock.mjs';
import { linkPinnedNode, pinnedNode } from './pinned-node.mjs';

const NODE_MAJOR_MIN = 20;
/** The sources are TypeScript that Node runs as it is. */
const NODE_MAJOR_OF_SOURCES = 24;
const INSTALL_TIMEOUT_MS = 900_000;
const CONFIGURATION_EXIT_CODE = 78;

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** @returns {never} */
function fail(message, exitCode = CONFIGURATION_EXIT_CODE) {
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
}

function majorOf(version) {
  return Number(version.replace(/^v/, '').split('.')[0]);
}

function lockedPackages(directory, file) {
  try {
    return JSON.parse(readFileSync(join(directory, file), 'utf8')).packages ?? {};
  } catch {
    return undefined;
  }
}

function isDevelopmentOnly(entry) {
  return entry.dev === true || entry.devOptional === true;
}

/**
 * Whether everything wanted is installed in the locked version. Optional packages may be absent. The
 * record alone proves nothing: an install that another one disturbed has one, too.
 */
function isInstalled(directory, wanted, installed, production) {
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes('node_modules/')) return true;
    if (production && isDevelopmentOnly(entry)) return true;
    const present = installed[path];
    if (present === undefined) return entry.optional === true || entry.devOptional === true;
    const isLocked = present.version === entry.version && present.integrity === entry.integrity;
    return isLocked && existsSync(join(directory, path, 'package.json'));
  });
}

/** Whether the packages of the record are there. */
function isWhole(directory, installed) {
  const paths = Object.keys(installed).filter((path) => path.includes('node_modules/'));
  return (
    paths.length > 0 && paths.every((path) => existsSync(join(directory, path, 'package.json')))
  );
}

function runNpm(directory, ...command) {
  // The level hides the engine warnings of an older Node, which does not run the sources.
  const npm = spawnSync('npm', [...command, '--loglevel=error', '--no-audit', '--no-fund'], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: INSTALL_TIMEOUT_MS,
    shell: process.platform === 'win32',
  });
  if (npm.error !== undefined) fail(`npm could not be run: ${npm.error.message}`);
  const name = `npm ${command[0]}`;
  if (npm.status !== 0) fail(`${name} failed; see its messages above.`, npm.status ?? 1);
}

function checkNodeOfSources(pinned) {
  let { version } = process;
  if (pinned !== undefined) {
    try {
      version = execFileSync(pinned, ['--version'], { encoding: 'utf8' });
    } catch (error) {
      fail(`The installed Node does not run here (${error.message}). ${advice()}`);
    }
  }
  if (majorOf(version) >= NODE_MAJOR_OF_SOURCES) return;
  fail(
    `Node ${NODE_MAJOR_OF_SOURCES} or newer is needed to run the sources, this is ${version}, ` +
      `and npm has no Node package for ${process.platform}-${process.arch} here. ${advice()}`,
  );
}

function advice() {
  return `Install Node ${NODE_MAJOR_OF_SOURCES} or newer, or run npm ci with optional packages.`;
}

/** Installs what the lockfile of a directory wants. Returns whether that was needed. */
function ensurePackages(directory, production) {
  const wanted = lockedPackages(directory, 'package-lock.json');
  if (wanted === undefined) fail('package-lock.json is missing or not readable.');
  const missing = () => {
    const installed = lockedPackages(directory, 'node_modules/.package-lock.json') ?? {};
    return isInstalled(directory, wanted, installed, production) ? undefined : installed;
  };
  if (missing() === undefined) return false;
  try {
    withInstallLock(root, INSTALL_TIMEOUT_MS, () => {
      const installed = missing();
      if (installed === undefined) return;
      process.stdout.write('Installing packages (once, and after each change of the lockfile)\n');
      const hasDevelopment = Object.values(installed).some((entry) => entry.dev === true);
      const mode = production && !hasDevelopment ? '--omit=dev' : '--include=dev';
      if (isWhole(directory, installed)) {
        linkPinnedNode(directory);
        runNpm(directory, 'install', '--no-save', mode);
        if (missing() === undefined) return;
      }
      runNpm(directory, 'ci', mode);
    });
  } catch (error) {
    fail(error.message, 1);
  }
  return true;
}

/** The same for a package below the root that has a lockfile of its own. */
export function ensureOwnPackages(path) {
  ensurePackages(join(root, path), false);
}

/**
 * Sees to it that the packages are there. Returns the Node that runs the sources, or ends the process
 * and says why there is none.
 */
export function ensureInstalled(production) {
  if (majorOf(process.version) < NODE_MAJOR_MIN) {
    fail(`Node ${NODE_MAJOR_MIN} or newer is needed, this is ${process.version}.`);
  }
  const needed = ensurePackages(root, production);
  const pinned = pinnedNode(root);
  linkPinnedNode(root);
  if (needed || pinned === undefined) checkNodeOfSources(pinned);
  return pinned ?? process.execPath;
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  ensureInstalled(process.argv.includes('--production'));
}
