/**
 * Reading and deleting a response that a provider keeps.
 * @see https://platform.openai.com/docs/api-reference/responses/get
 */
import { GatewayError } from '@gateway/protocol';
import { saidInChatError } from '../chat/error.ts';
import { readAnswerJson } from '../chat/read-answer.ts';
import type { ProviderRequest } from '../exchange.ts';
import { decodeUtf8, isObject, readJson } from '../json/read-json.ts';
import { JSON_TYPE } from '../media-types.ts';
import { providerError } from '../provider-error.ts';
import { KeptState } from './kept-state.ts';
import type { StateOptions } from './response-id.ts';

export type StateAction = 'get' | 'delete' | 'input-items';

export interface StateCallOptions {
  readonly action: StateAction;
  /** The provider's own id of the response. */
  readonly id: string;
  /** Names and values of the query, already checked. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly state: StateOptions;
}

export interface StateCall {
  readonly request: ProviderRequest;
  /** The client's body for an answer of status 2xx. Throws `provider_bad_response`. */
  answer(body: Uint8Array): Uint8Array;
  error(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): GatewayError;
}

export function openStateCall({ action, id, query, state }: StateCallOptions): StateCall {
  const kept = new KeptState(state);
  const suffix = action === 'input-items' ? '/input_items' : '';
  const search =
    query.length === 0 ? '' : `?${new URLSearchParams(query.map(([...pair]) => pair))}`;
  return {
    request: {
      method: action === 'delete' ? 'DELETE' : 'GET',
      path: `/responses/${encodeURIComponent(id)}${suffix}${search}`,
      headers: { accept: JSON_TYPE },
      body: new Uint8Array(),
    },
    answer: (body) => {
      if (!isObject(readAnswerJson(body))) {
        throw new GatewayError('provider_bad_response', 'The provider answered with no object.');
      }
      return action === 'input-items' ? body : kept.sealResponse(body);
    },
    error: (status, headers, body) => {
      if (status === 404) return responseNotFound();
      return providerError({ ...saidInChatError(readJson(decodeUtf8(body))), status, headers });
    },
  };
}

/** What a client gets for an id that is not its tenant's, or whose response is gone. */
export function responseNotFound(): GatewayError {
  return new GatewayError('not_found', 'The response was not found.', {
    reason: 'response_not_found',
    param: 'response_id',
  });
}
