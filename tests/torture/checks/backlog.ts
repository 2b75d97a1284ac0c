/** Invariant 8: every event that was stored is on a row, and nothing waits or is set aside. */
import type { RequestRow, StoredEvent, Violation } from '../history.ts';
import type { HistoryIndex } from './history-index.ts';

export function checkBacklog({ history, rowOf }: HistoryIndex): Violation[] {
  const { pendingEvents, storedEvents, quarantinedEvents, spooledEvents } = history.quiet;
  const left = [
    [pendingEvents, 'events are not settled'],
    [storedEvents, 'events are still stored'],
    [quarantinedEvents, 'events are in quarantine'],
    [spooledEvents, 'events are in spools'],
  ] as const;
  return [
    ...left
      .filter(([count]) => count > 0)
      .map(([count, what]) => ({ invariant: 8, what: `${count} ${what}` })),
    ...history.events
      .filter((event) => !isConsumed(event, rowOf.get(event.requestId)))
      .map(({ kind, requestId, sequence }) => ({
        invariant: 8,
        requestId,
        what: `\`${kind}\` was stored as ${sequence} and is on no row`,
      })),
  ];
}

function isConsumed(event: StoredEvent, row: RequestRow | undefined): boolean {
  if (row === undefined) return false;
  switch (event.kind) {
    case 'received':
      return true;
    case 'finished':
      return row.status !== null;
    case 'attempted':
      return row.attempts.some(({ attempt }) => attempt === event.attempt);
  }
}
