/** What makes figures doubtful. */
import type { BenchResults } from './bench.ts';
import { WARM_UP_REQUESTS } from './scenarios.ts';

/** Of the machine, kept busy by other processes or taken away by its host. */
const FOREIGN_PROCESSORS_MAX = 0.2;
/** Of the driver with a request, in the median: more, and it is what was measured. */
const LATENESS_MS_MAX = 2;

export function doubts({ rounds }: Pick<BenchResults, 'rounds'>): readonly string[] {
  return rounds.flatMap(({ system, round, variant, measurements, broke, warmUpRequests }) => {
    const turn = `${system}, ${variant}, round ${round}`;
    const all = Object.entries(measurements);
    const disturbed = all.filter(([, one]) => one.foreignProcessors > FOREIGN_PROCESSORS_MAX);
    const names = disturbed.map(
      ([name, { foreignProcessors }]) => `${name} (${foreignProcessors.toFixed(1)})`,
    );
    const isCold = broke === undefined && warmUpRequests < WARM_UP_REQUESTS;
    return [
      ...(broke === undefined ? [] : [`${turn}: ended early: ${firstLine(broke)}`]),
      ...(isCold ? [`${turn}: warmed up with ${warmUpRequests} requests only`] : []),
      ...(names.length > 0 ? [`${turn}: other processes ran beside ${names.join(', ')}`] : []),
      ...all.flatMap(([name, { load, isSettled }]) => {
        const { requests, failures, firstFailure, cacheHits, latenessMs } = load;
        const hitsExpected = name.startsWith('cache') ? requests : 0;
        const isLate = latenessMs.p50 > LATENESS_MS_MAX;
        return [
          ...(failures > 0 ? [`${turn}, ${name}: ${failures} failed (${firstFailure})`] : []),
          ...(cacheHits === hitsExpected ? [] : [`${turn}, ${name}: ${cacheHits} cache hits`]),
          ...(isSettled ? [] : [`${turn}, ${name}: still worked 20 s after the load`]),
          ...(isLate ? [`${turn}, ${name}: the driver was ${latenessMs.p50} ms late`] : []),
        ];
      }),
    ];
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
