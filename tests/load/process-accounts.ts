/** What processes and their children have used, as the kernel accounts for it. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** Of `/proc`, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
const MICROSECONDS_PER_TICK = 1_000_000 / TICKS_PER_SECOND;
const BYTES_PER_KIBIBYTE = 1_024;

/** Fields of `/proc/<pid>/stat` behind the name of the command, which may hold spaces. */
const USER_TIME_FIELD = 11;
const TIME_FIELDS = 2;
const TIME_FIELDS_OF_CHILDREN = 2;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The process and everything below it that lives. */
export function processTree(pid: number): readonly number[] {
  const children = (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => processTree(Number(child)))];
}

/**
 * CPU time of all threads of the process and of its children, those that have ended included, in
 * microseconds, to 10 ms exactly for each process.
 */
export function cpuMicroseconds(pid: number): number {
  return processTree(pid).reduce((sum, each) => {
    return sum + cpuOfStat(read(`/proc/${each}/stat`) ?? '', TIME_FIELDS + TIME_FIELDS_OF_CHILDREN);
  }, 0);
}

/**
 * CPU time of the threads of the process and its children that live, those of the same name together, in
 * microseconds.
 */
export function cpuMicrosecondsByThread(pid: number): Readonly<Record<string, number>> {
  const times: Record<string, number> = {};
  for (const each of processTree(pid)) {
    for (const thread of threadsOf(each)) {
      const stat = read(`/proc/${each}/task/${thread}/stat`) ?? '()';
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      times[name] = (times[name] ?? 0) + cpuOfStat(stat, TIME_FIELDS);
    }
  }
  return times;
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function cpuOfStat(stat: string, fieldCount: number): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(USER_TIME_FIELD, USER_TIME_FIELD + fieldCount).map(Number);
  return ticks.reduce((one, other) => one + other, 0) * MICROSECONDS_PER_TICK;
}

const IDLE_FIELDS: readonly number[] = [3, 4];
/** Behind them is time of guests, which is in user time already. */
const MACHINE_FIELDS = 8;

/** CPU time of everything on the machine, what its host took away included, in microseconds. */
export function machineCpuMicroseconds(): number {
  const [line = ''] = (read('/proc/stat') ?? '').split('\n');
  const ticks = line
    .split(/\s+/)
    .slice(1, MACHINE_FIELDS + 1)
    .map(Number);
  const busy = ticks.filter((_, field) => !IDLE_FIELDS.includes(field));
  return busy.reduce((one, other) => one + other, 0) * MICROSECONDS_PER_TICK;
}

/** Resident memory of the process and its children; what they share of it counts once. */
export function residentBytes(pid: number): number {
  const statuses = processTree(pid).map((each) => read(`/proc/${each}/status`) ?? '');
  const field = (status: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * BYTES_PER_KIBIBYTE;
  const shared = statuses.map((status) => field(status, 'RssShmem'));
  const own = statuses.map((status) => field(status, 'VmRSS') - field(status, 'RssShmem'));
  return own.reduce((sum, bytes) => sum + bytes, 0) + Math.max(0, ...shared);
}
