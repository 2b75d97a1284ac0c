/**
 * Which target is tried next, and when: a decision of what has failed so far. Pure.
 *
 * Another target may answer what failed at the one before, so the targets are tried in their order
 * and at once. One attempt may be repeated, whatever the number of targets:
 *
 * - at once, where its worker was lost or is going away: another one of the group takes it;
 * - when no target is left, after a pause, where the provider was called and has a failure that may
 *   pass. That is bounded by the retry budget, or repetitions would keep a provider down.
 *
 * A failure that another attempt cannot mend (a wrong request, a client that left) ends it.
 */
import { ERRORS, type ErrorCode, type GatewayError } from '@gateway/protocol';

/** A wait that a provider asks for and that is longer is not worth holding a client. */
export const PROVIDER_WAIT_MAX_MS = 10_000;
/** Without such a wish a repetition waits a random time up to this, so that many spread out. */
export const PAUSE_MAX_MS = 500;

/** Another worker takes what these failed at. */
const WORKER_GONE: readonly ErrorCode[] = ['worker_lost', 'shutting_down'];

export interface Failure {
  /** Index of the target in the plan. */
  readonly target: number;
  readonly error: GatewayError;
  /** Whether the provider was called, or may have been. */
  readonly called: boolean;
}

export interface RetryState {
  readonly targets: number;
  /** Of every attempt so far, oldest first. */
  readonly failures: readonly Failure[];
  /** Milliseconds since 1970, both. */
  readonly now: number;
  readonly deadlineAt: number;
  /** From 0 to 1. */
  readonly random: number;
}

export type NextAttempt =
  | {
      readonly kind: 'try';
      readonly target: number;
      readonly waitMs: number;
      /** Whether it has to be paid for from the retry budget. */
      readonly isBudgeted: boolean;
    }
  | { readonly kind: 'give-up' };

const GIVE_UP: NextAttempt = { kind: 'give-up' };

export function nextAttempt(state: RetryState): NextAttempt {
  const { targets, failures } = state;
  const last = failures.at(-1);
  if (last === undefined) return tryNow(0);
  if (!last.error.mayFailOver || state.now >= state.deadlineAt) return GIVE_UP;
  const tried = new Set(failures.map(({ target }) => target));
  const mayRepeat = failures.length === tried.size;
  if (mayRepeat && WORKER_GONE.includes(last.error.code)) return tryNow(last.target);
  if (tried.size < targets) return tryNow(tried.size);
  return mayRepeat ? repetition(state) : GIVE_UP;
}

function tryNow(target: number): NextAttempt {
  return { kind: 'try', target, waitMs: 0, isBudgeted: false };
}

/** The target that can be asked again first; the earlier one of the plan where two can. */
function repetition({ failures, now, deadlineAt, random }: RetryState): NextAttempt {
  const [soonest] = failures
    .filter(({ error, called }) => called && mayPass(error))
    .map(({ target, error }) => ({ target, waitMs: waitAfter(error, random) }))
    .filter(({ waitMs }) => now + waitMs < deadlineAt)
    .sort((one, other) => one.waitMs - other.waitMs);
  return soonest === undefined ? GIVE_UP : { kind: 'try', ...soonest, isBudgeted: true };
}

function mayPass({ code, facts }: GatewayError): boolean {
  const { origin, repeatable } = ERRORS[code];
  return origin === 'provider' && repeatable && (facts.retryAfterMs ?? 0) <= PROVIDER_WAIT_MAX_MS;
}

/** The pause comes on top of what the provider asks for, which it asks of many at once. */
function waitAfter({ facts }: GatewayError, random: number): number {
  return Math.ceil((facts.retryAfterMs ?? 0) + random * PAUSE_MAX_MS);
}
