/** The targets of a plan, tried until one answers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError, type InferenceRequest } from '@gateway/protocol';
import { type AttemptContext, attemptTarget } from './attempt-target.ts';
import { clientClosed } from './client-reply.ts';
import type { Plan } from './plan.ts';
import type { RetryBudget } from './retry-budget.ts';
import { type Failure, nextAttempt } from './retry-policy.ts';
import { shuttingDown } from './running-calls.ts';

interface TargetsContext extends AttemptContext {
  /** Aborts when whatever still runs must end. */
  readonly drainEnding: AbortSignal;
}

/**
 * Resolves once the client was answered. Throws the most telling failure when `retry-policy.ts` gives up
 * or the budget is spent, and the last one when a byte has gone out or the client has left: nothing new
 * is tried for nobody. Throws `shutting_down` when the time to drain ends.
 */
export async function tryTargets(
  inference: Omit<InferenceRequest, 'target'>,
  { targets }: Plan,
  context: TargetsContext,
  budget: RetryBudget,
): Promise<void> {
  using _ = budget.enter();
  const { reply, deadlineAt, drainEnding } = context;
  const failures: Failure[] = [];
  for (;;) {
    const now = Date.now();
    const random = Math.random();
    const next = nextAttempt({ targets: targets.length, failures, now, deadlineAt, random });
    const target = next.kind === 'try' ? targets[next.target] : undefined;
    if (next.kind === 'give-up' || target === undefined) throw mostTelling(failures);
    using room = next.isBudgeted ? budget.take() : undefined;
    if (next.isBudgeted && room === undefined) throw mostTelling(failures);
    if (next.waitMs > 0) await pause(next.waitMs, reply.gone, drainEnding);
    if (reply.isGone) throw clientClosed();
    if (drainEnding.aborted) throw shuttingDown();
    const attempt = failures.length + 1;
    const failure = await attemptTarget({ ...inference, target }, attempt, context);
    if (failure === undefined) return;
    if (drainEnding.aborted && !reply.isGone) throw shuttingDown();
    if (reply.begun || reply.isGone || failure.isFinal) throw failure.error;
    failures.push({ ...failure, target: next.target });
  }
}

/**
 * The last failure. Where that is a target's open circuit, what the provider itself said to this request
 * before tells the client more.
 */
function mostTelling(failures: readonly Failure[]): GatewayError {
  const last = failures.at(-1);
  if (last === undefined) return new GatewayError('internal', 'The plan has no target.');
  if (last.error.facts.reason !== 'circuit_open') return last.error;
  const said = failures.findLast(({ target, called }) => called && target === last.target);
  return (said ?? last).error;
}

/** Resolves sooner when the client leaves or the process must end. */
async function pause(waitMs: number, gone: AbortSignal, drainEnding: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([gone, drainEnding]);
  await sleep(waitMs, undefined, { signal }).catch(() => undefined);
}
