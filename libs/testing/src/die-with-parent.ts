/**
 * Children must not outlive the process that started them, even when it is killed with SIGKILL.
 * Linux offers this as the parent-death signal, which `setpriv` of util-linux sets before it
 * replaces itself with the command, so that the pid stays the same. Elsewhere only an exit handler
 * is possible.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { searchPath } from './config.ts';

export interface UserIdentity {
  readonly uid: number;
  readonly gid: number;
  /** Keeps root's way into directories that are closed to the user. Default false. */
  readonly entersAnyDirectory?: boolean;
}

/** The first executable of that name on PATH. */
export function findOnPath(name: string): string | undefined {
  return searchPath()
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/** Whether this process may execute the file. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The capability that containers give to root, too; reading and searching alone they do not. */
const KEPT = '+dac_override';

const living = new Set<ChildProcess>();
let exitHandlerInstalled = false;

function killAtExit(child: ChildProcess): void {
  living.add(child);
  child.once('exit', () => living.delete(child));
  if (exitHandlerInstalled) return;
  exitHandlerInstalled = true;
  process.on('exit', () => {
    for (const remaining of living) remaining.kill('SIGKILL');
  });
}

/**
 * Spawns a command that dies with this process. It has a session of its own, so that Ctrl-C in a
 * terminal reaches only the parent, which then stops its children in order.
 */
export function spawnTied(
  command: string,
  commandArguments: readonly string[],
  options: Omit<SpawnOptions, 'uid' | 'gid' | 'detached'> & { readonly runAs?: UserIdentity },
): ChildProcess {
  const { runAs, ...rest } = options;
  const { uid, gid, entersAnyDirectory = false } = runAs ?? {};
  const setpriv = process.platform === 'linux' ? findOnPath('setpriv') : undefined;
  let child: ChildProcess;
  if (setpriv === undefined) {
    child = spawn(command, commandArguments, { ...rest, uid, gid, detached: true });
  } else {
    const identity =
      runAs === undefined ? [] : [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
    const kept = entersAnyDirectory ? ['--inh-caps', KEPT, '--ambient-caps', KEPT] : [];
    child = spawn(
      setpriv,
      [...identity, ...kept, '--pdeathsig', 'KILL', '--', command, ...commandArguments],
      { ...rest, detached: true },
    );
  }
  killAtExit(child);
  return child;
}
