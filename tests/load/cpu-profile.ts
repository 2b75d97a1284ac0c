/**
 * Adds up a CPU profile as Node writes it (`--cpu-prof`): what each package uses itself, and each function
 * with all that it calls.
 * @see https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
 */

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds of the machine's monotonic clock. */
  readonly startTime: number;
  readonly endTime: number;
  /** Ids of nodes. */
  readonly samples: readonly number[];
  /** Microseconds from the sample before, or from the start. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

/** Microseconds of the machine's monotonic clock. */
export interface TimeWindow {
  readonly from: number;
  readonly until: number;
}

/** Names with microseconds, the most first. */
export type Times = readonly (readonly [name: string, microseconds: number])[];

export interface ProfileTimes {
  readonly activeMicroseconds: number;
  /** Code without a file, such as the garbage collector's, by its own name. */
  readonly selfByPackage: Times;
  /** A function that calls itself counts once. */
  readonly inclusiveByFunction: Times;
}

const IDLE = '(idle)';

/** Of the samples in the window; of all without one. */
export function profileTimes(profile: CpuProfile, window?: TimeWindow): ProfileTimes {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const stacks = stacksOf(profile.nodes);
  const packages = new Map<string, number>();
  const functions = new Map<string, number>();
  let active = 0;
  for (const [id, microseconds] of durations(profile, window)) {
    const frame = nodes.get(id)?.callFrame;
    if (frame === undefined || frame.functionName === IDLE) continue;
    active += microseconds;
    add(packages, packageOf(frame), microseconds);
    for (const name of stacks.get(id) ?? []) add(functions, name, microseconds);
  }
  return {
    activeMicroseconds: active,
    selfByPackage: mostFirst(packages),
    inclusiveByFunction: mostFirst(functions),
  };
}

/** How long each node was seen: a sample stands for the time until the next one. */
function durations(profile: CpuProfile, window: TimeWindow | undefined): Map<number, number> {
  const { samples, timeDeltas, startTime, endTime } = profile;
  const { from, until } = window ?? { from: startTime, until: endTime };
  const seen = new Map<number, number>();
  let time = startTime;
  for (const [index, id] of samples.entries()) {
    time += timeDeltas[index] ?? 0;
    const next = time + (timeDeltas[index + 1] ?? Math.max(0, endTime - time));
    const microseconds = Math.min(next, until) - Math.max(time, from);
    if (microseconds > 0) seen.set(id, (seen.get(id) ?? 0) + microseconds);
  }
  return seen;
}

/** The distinct functions that stand on the stack of each node, its own included. */
function stacksOf(nodes: readonly ProfileNode[]): ReadonlyMap<number, ReadonlySet<string>> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((c) => [c, id])));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, functionName(callFrame)]));
  const stackOf = (id: number) => {
    const stack = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      stack.add(names.get(at) ?? '');
    }
    return stack;
  };
  return new Map(nodes.map(({ id }) => [id, stackOf(id)]));
}

function add(times: Map<string, number>, name: string, microseconds: number): void {
  times.set(name, (times.get(name) ?? 0) + microseconds);
}

function mostFirst(times: ReadonlyMap<string, number>): Times {
  return [...times].sort(([, one], [, other]) => other - one);
}

const DEPENDENCY = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/;
const OWN = /.*\/((?:libs|services|infra|tests)\/[^/]+)\//;
const OF_NODE = /^(node:(?:internal\/)?[^/]+)/;

function packageOf({ functionName: name, url }: ProfileNode['callFrame']): string {
  if (url === '') return name === '' ? '(anonymous native)' : name;
  return [DEPENDENCY, OWN, OF_NODE].map((one) => one.exec(url)?.[1]).find(Boolean) ?? url;
}

function functionName({ functionName: name, url, lineNumber }: ProfileNode['callFrame']): string {
  const called = name === '' ? '(anonymous)' : name;
  if (url === '') return called;
  const file = url
    .replace(/.*\/node_modules\//, '')
    .replace(/.*\/((?:libs|services|infra|tests)\/)/, '$1');
  return `${called} ${file}:${lineNumber + 1}`;
}
