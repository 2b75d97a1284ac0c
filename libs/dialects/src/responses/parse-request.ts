import { invalidFieldOf } from '../chat/invalid-field.ts';
import {
  checkModelName,
  type RefusedParameters,
  readRequestBody,
  refuseControlFields,
  refuseParameters,
} from '../request-body.ts';
import { type ResponsesRequest, responsesRequest } from './responses-request.ts';

export interface ResponsesRequestFacts {
  readonly model: string;
  readonly stream: boolean;
  /** Always: the last event of a stream carries the usage. */
  readonly includeUsage: true;
  /** Temperature 0, and nothing kept at the provider: a stored answer may be given again. */
  readonly deterministic: boolean;
  /** Names the provider that has to answer. */
  readonly previousResponseId: string | undefined;
  /** The request as JSON says it, unknown fields included. */
  readonly parsed: ResponsesRequest;
}

/** What no provider is asked for, whatever it speaks, and why. */
export const RESPONSES_PARAMETERS_REFUSED: RefusedParameters = {
  background: 'responses in the background are not supported: their usage could not be recorded',
  conversation: "conversations are not supported: use 'previous_response_id', or send all items",
};

/**
 * Reads a client's request of the Responses API. Values are never converted. Throws
 * `invalid_request` with the field and a reason, as `parseChatRequest` does, and with
 * `unsupported_parameter`.
 */
export function parseResponsesRequest(body: Uint8Array): ResponsesRequestFacts {
  const parsed = asResponsesRequest(readRequestBody(body));
  checkModelName(parsed.model);
  refuseParameters(parsed, RESPONSES_PARAMETERS_REFUSED);
  return {
    model: parsed.model,
    stream: parsed.stream === true,
    includeUsage: true,
    deterministic: parsed.temperature === 0 && parsed.store === false,
    previousResponseId: parsed.previous_response_id ?? undefined,
    parsed,
  };
}

/** The value itself, not a copy: what zod builds would hold the same. */
export function asResponsesRequest(value: unknown): ResponsesRequest {
  refuseControlFields(value);
  const result = responsesRequest.safeParse(value, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return value as ResponsesRequest;
}
