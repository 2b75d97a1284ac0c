/** How many files, sockets among them, a process may open. Node raises its own limit to the hard one. */
import { readFileSync } from 'node:fs';

/** Of a process besides its streams. */
const OTHER_FILES = 500;

/** Throws a RangeError that says what to do where a process may not open a socket for each stream. */
export function requireOpenFiles(streams: number, limits = readLimits()): void {
  const needed = streams + OTHER_FILES;
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  if (hard === 'unlimited' || Number(hard) >= needed) return;
  throw new RangeError(
    `${streams} streams need processes that may open ${needed} files, and here they may open ` +
      `${hard}. Raise the hard limit (as root: ulimit -n ${needed}), or ask for fewer streams.`,
  );
}

function readLimits(): string {
  return readFileSync('/proc/self/limits', 'utf8');
}
