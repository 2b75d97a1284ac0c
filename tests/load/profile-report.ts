/** What CPU profiles of a run of the benchmark say about the requests of one load. */
import type { BenchResults } from './bench.ts';
import { type CpuProfile, profileTimes, type Times } from './cpu-profile.ts';

/** Beside the profiles: the figures of the run, with the time at which each load ran. */
export const RUN_FILE = 'run.json';

/** Node's name for a profile has the process and the thread in it. */
const PROFILE_NAME = /^CPU\.\d+\.\d+\.(\d+)\.(\d+)\.\d+\.cpuprofile$/;

export interface ProfileFile {
  readonly name: string;
  read(): CpuProfile;
}

export interface Wanted {
  readonly scenario: string;
  /** Of each table. */
  readonly lines: number;
}

/** One part for each thread and measurement that the files have samples of. */
export function profileReport(
  { rounds }: Pick<BenchResults, 'rounds'>,
  files: readonly ProfileFile[],
  { scenario, lines }: Wanted,
): string {
  const parts = files.flatMap((file) => {
    const [, pid, thread] = PROFILE_NAME.exec(file.name) ?? [];
    return rounds.flatMap(({ system, variant, round, processes, measurements }) => {
      const part = Object.entries(processes).find(([, one]) => one === Number(pid))?.[0];
      const measurement = measurements[scenario];
      if (part === undefined || measurement === undefined) return [];
      const { requests } = measurement.load;
      const times = profileTimes(file.read(), measurement.window);
      const title =
        `${system}, ${variant}, round ${round}, ${scenario}: ${part}, thread ${thread}, ` +
        `${(times.activeMicroseconds / requests).toFixed(1)} µs a request of ${requests}`;
      return [
        [
          title,
          '  itself, by package',
          ...linesOf(times.selfByPackage, requests, lines),
          '  with all that it calls, by function',
          ...linesOf(times.inclusiveByFunction, requests, lines),
        ].join('\n'),
      ];
    });
  });
  return parts.join('\n\n');
}

function linesOf(times: Times, requests: number, count: number): readonly string[] {
  return times
    .slice(0, count)
    .map(([name, time]) => `  ${(time / requests).toFixed(1).padStart(7)}  ${name}`);
}
