/** The whole judgement of a run: a verdict for each request, and whatever breaks an invariant. */
import type { History, Violation } from '../history.ts';
import { checkBacklog } from './backlog.ts';
import { checkContent } from './content.ts';
import { HistoryIndex } from './history-index.ts';
import { checkLimits } from './limits.ts';
import { checkRows, type Verdict } from './one-row.ts';
import { checkCalls, type TokenSums } from './provider-calls.ts';
import { checkTenants } from './tenants.ts';

export interface Judgement {
  /** Of requests. Lost, duplicated and phantom count provider calls and attempts, too. */
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** By tenant and model. */
  readonly tokens: Readonly<Record<string, TokenSums>>;
  readonly violations: readonly Violation[];
}

export function checkHistory(history: History): Judgement {
  const index = new HistoryIndex(history);
  const rows = checkRows(index);
  const calls = checkCalls(index);
  return {
    verdicts: {
      ...rows.verdicts,
      lost: rows.verdicts.lost + calls.lost,
      duplicated: rows.verdicts.duplicated + calls.duplicated,
      phantom: rows.verdicts.phantom + calls.phantom,
    },
    tokens: Object.fromEntries(calls.sums),
    violations: [
      ...rows.violations,
      ...calls.violations,
      ...checkContent(index),
      ...checkLimits(index),
      ...checkTenants(index),
      ...checkBacklog(index),
    ].sort((left, right) => left.invariant - right.invariant),
  };
}
