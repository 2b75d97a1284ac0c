/** Invariant 7: what is of a tenant is seen by that tenant alone. */
import type { Violation } from '../history.ts';
import type { HistoryIndex } from './history-index.ts';

export function checkTenants({ history, entryOf }: HistoryIndex): Violation[] {
  const ofAnswers = history.journal
    .filter(({ foreignCanaries }) => foreignCanaries.length > 0)
    .map(({ nonce, tenant, foreignCanaries }) => ({
      invariant: 7,
      nonce,
      what: `an answer to ${tenant} holds ${foreignCanaries}`,
    }));
  const ofRows = history.rows.flatMap((row): Violation[] => {
    const { requestId, nonce, tenant, canaries } = row;
    const asked = entryOf.get(nonce)?.tenant;
    const about = { invariant: 7, requestId, nonce };
    return [
      ...(asked === undefined || asked === tenant
        ? []
        : [{ ...about, what: `a request of ${asked} is on a row of ${tenant}` }]),
      ...(canaries.length === 0
        ? []
        : [{ ...about, what: `the row holds the prompt: ${canaries}` }]),
    ];
  });
  const ofCache = history.cached.flatMap(({ tenant, canaries }) => {
    const foreign = canaries.filter((canary) => canary !== history.canaries[tenant]);
    return foreign.length === 0
      ? []
      : [{ invariant: 7, what: `an answer stored for ${tenant} holds ${foreign}` }];
  });
  return [...ofAnswers, ...ofRows, ...ofCache];
}
