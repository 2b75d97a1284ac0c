import {
  openResponseId,
  parseResponsesRequest,
  previousResponseNotFound,
  responseIdKey,
} from '@gateway/dialects';
import type { Secret } from '@gateway/runtime';
import type { ClientEdge, RequestFacts } from '../client-edge.ts';
import { responsesErrors } from '../error-styles/responses.ts';

/**
 * A request that goes on from an earlier response goes to the provider that keeps it.
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function responsesEdge(pepper: Secret): ClientEdge {
  return {
    dialect: 'responses',
    errors: responsesErrors,
    parse: ({ body, key }): RequestFacts => {
      const { previousResponseId, ...read } = parseResponsesRequest(body);
      // Nothing at the top is without effect here: the answer repeats `metadata` and its like, and
      // only with `store` can its id be used again.
      const facts = { ...read, parsed: { request: read.parsed } };
      const stateKey = responseIdKey(pepper.reveal(), key.tenant);
      const more = { stateKey };
      if (previousResponseId === undefined) return { ...facts, more };
      const previous = openResponseId(stateKey, previousResponseId);
      if (previous === undefined) throw previousResponseNotFound();
      return { ...facts, more, onlyProvider: previous.provider };
    },
  };
}
