/** What a run has shown, for people and for machines. */
import type { Judgement } from './checks/check-history.ts';
import type { History, InjectedFault, JournalEntry, Violation } from './history.ts';

const VIOLATIONS_SHOWN_MAX = 40;
const DETAILED_MAX = 10;

export interface RunFacts {
  readonly seed: number;
  readonly command: string;
  readonly revision: string;
  readonly durationMs: number;
  readonly schedule: string;
}

export interface Report extends RunFacts {
  readonly passed: boolean;
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly verdicts: Judgement['verdicts'];
  readonly ends: Readonly<Record<string, number>>;
  readonly statuses: Readonly<Record<string, number>>;
  readonly caches: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly assumedRows: number;
  readonly providerCalls: number;
  readonly attempts: Readonly<Record<string, number>>;
  readonly storedEvents: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly latencyMs: Readonly<Record<'p50' | 'p99' | 'max', number>>;
  readonly tokens: Judgement['tokens'];
  readonly violationsByInvariant: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  readonly complaints: readonly string[];
}

function countBy<T>(items: readonly T[], nameOf: (item: T) => string): Record<string, number> {
  const groups = [...Map.groupBy(items, nameOf)].map(
    ([name, { length }]) => [name, length] as const,
  );
  return Object.fromEntries(groups.sort(([, left], [, right]) => right - left));
}

function percentile(ordered: readonly number[], part: number): number {
  return ordered[Math.min(ordered.length - 1, Math.floor(part * ordered.length))] ?? 0;
}

function latencies(journal: readonly JournalEntry[]): Report['latencyMs'] {
  const ordered = journal.map(({ sentAt, endedAt }) => endedAt - sentAt).sort((a, b) => a - b);
  return {
    p50: percentile(ordered, 0.5),
    p99: percentile(ordered, 0.99),
    max: ordered.at(-1) ?? 0,
  };
}

/** `kind target`, a link without the process that it is of. */
export function faultName({ kind, target }: InjectedFault): string {
  return `${kind} ${target}`;
}

export function makeReport(
  facts: RunFacts,
  history: History,
  judgement: Judgement,
  complaints: readonly string[],
): Report {
  const { journal, rows, calls } = history;
  const { violations } = judgement;
  const attempts = rows.flatMap((row) => row.attempts);
  return {
    ...facts,
    passed: violations.length === 0 && complaints.length === 0,
    requests: journal.length,
    requestsPerSecond: Math.round((1_000 * journal.length) / facts.durationMs),
    verdicts: judgement.verdicts,
    ends: countBy(journal, ({ end }) => end),
    statuses: countBy(journal, ({ status }) => String(status ?? 'none')),
    caches: countBy(journal, ({ cache = 'none' }) => cache),
    rows: rows.length,
    assumedRows: rows.filter(({ finishedAssumed }) => finishedAssumed).length,
    providerCalls: calls.length,
    attempts: countBy(attempts, ({ usageSource }) => usageSource),
    storedEvents: history.events.length,
    faults: countBy(history.faults, faultName),
    latencyMs: latencies(journal),
    tokens: judgement.tokens,
    violationsByInvariant: countBy(violations, ({ invariant }) => String(invariant)),
    violations,
    complaints,
  };
}

function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** The table that is printed at the end of every run. */
export function summaryText(report: Report): string {
  const { latencyMs, verdicts } = report;
  const seconds = Math.round(report.durationMs / 1_000);
  const tokens = Object.values(report.tokens);
  const sum = (pick: (sums: (typeof tokens)[number]) => number) =>
    tokens.reduce((total, sums) => total + pick(sums), 0);
  const lines: readonly (readonly [string, string])[] = [
    ['seed', String(report.seed)],
    ['revision', report.revision],
    ['requests', `${report.requests} in ${seconds} s (${report.requestsPerSecond}/s)`],
    ['verdicts', listed(verdicts)],
    ['ended', listed(report.ends)],
    ['status', listed(report.statuses)],
    ['cache', listed(report.caches)],
    ['rows', `${report.rows}, ${report.assumedRows} with an assumed end`],
    ['provider calls', String(report.providerCalls)],
    ['attempts, usage', listed(report.attempts)],
    [
      'tokens',
      `provider ${sum(({ tokens: count }) => count)}, rows ` +
        `${sum(({ reportedTokens }) => reportedTokens)}, of attempts that died or were left ` +
        `${sum(({ missedTokens }) => missedTokens)}`,
    ],
    ['estimates', `of what never reached the provider ${sum(({ unheard }) => unheard)}`],
    ['events', String(report.storedEvents)],
    ['faults', `${Object.values(report.faults).reduce((total, count) => total + count, 0)}`],
    ['latency', `p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms, longest ${latencyMs.max} ms`],
    ['violations', listed(report.violationsByInvariant)],
    ['complaints', String(report.complaints.length)],
  ];
  return lines.map(([name, value]) => `${name.padEnd(16)} ${value}`).join('\n');
}

/** Everything that is known of the first offending requests, and the faults with their times. */
export function failureText(report: Report, history: History): string {
  const shown = report.violations.slice(0, VIOLATIONS_SHOWN_MAX);
  const ids = new Set(shown.flatMap(({ requestId }) => requestId ?? []));
  const nonces = new Set(shown.flatMap(({ nonce }) => nonce ?? []));
  for (const row of history.rows) if (nonces.has(row.nonce)) ids.add(row.requestId);
  const details = [...ids].slice(0, DETAILED_MAX).map((id) => {
    const ofRequest = ({ requestId }: { readonly requestId?: string }) => requestId === id;
    const rows = history.rows.filter(ofRequest);
    const known = {
      journal: history.journal.filter(
        (entry) => ofRequest(entry) || rows.some(({ nonce }) => nonce === entry.nonce),
      ),
      rows,
      calls: history.calls.filter(ofRequest).map((call) => ({ ...call, text: call.text.length })),
      events: history.events.filter(ofRequest),
    };
    return JSON.stringify(known, undefined, 1);
  });
  const faults = history.faults.map(({ target, kind, startedAt, endedAt }) => {
    return `${new Date(startedAt).toISOString()} ${kind} ${target}, ${endedAt - startedAt} ms`;
  });
  return [
    `seed ${report.seed}, revision ${report.revision}: ${report.command}`,
    'the schedule:',
    report.schedule,
    'the faults as they were:',
    ...faults,
    'what must not be:',
    ...report.complaints,
    ...shown.map(({ invariant, what, requestId, nonce }) => {
      return `${invariant}  ${what}  ${requestId ?? ''} ${nonce ?? ''}`;
    }),
    'what is known of those requests:',
    ...details,
  ].join('\n');
}
