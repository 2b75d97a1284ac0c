import type { FinishedEvent } from '@gateway/protocol';
import type { Entry } from './entry.ts';
import {
  type AttemptColumns,
  attemptOf,
  deadlineOf,
  factsOf,
  finishedOf,
} from './event-columns.ts';
import { mergeStates, type RequestState } from './row.ts';

/** What events of one request say together. There has to be one. */
export function stateOfAll(entries: readonly Entry[]): RequestState {
  return (
    stateOfOrdinary(entries) ?? entries.flatMap(({ state }) => state ?? []).reduce(mergeStates)
  );
}

/**
 * The same where each event is here once and the true end is among them, so that it is known before what
 * of each event the row takes. Undefined for all others, which are merged.
 */
function stateOfOrdinary(entries: readonly Entry[]): RequestState | undefined {
  let end: { readonly event: FinishedEvent; readonly digest: string } | undefined;
  let deadline: number | null = null;
  const attempts: AttemptColumns[] = [];
  for (const entry of entries) {
    const { event } = entry;
    switch (event.kind) {
      case 'received':
        if (deadline !== null) return undefined;
        deadline = deadlineOf(event);
        break;
      case 'attempted':
        if (event.attempt <= (attempts.at(-1)?.attempt ?? 0)) return undefined;
        attempts.push(attemptOf(event, entry.digest));
        break;
      case 'finished':
        if (end !== undefined || event.assumed) return undefined;
        end = { event, digest: entry.digest };
        break;
      default:
        return undefined;
    }
  }
  const requestId = entries[0]?.requestId;
  if (end === undefined || requestId === undefined) return undefined;
  const facts = factsOf(end.event, end.digest);
  return { requestId, facts, deadline, finished: finishedOf(end.event, end.digest), attempts };
}
