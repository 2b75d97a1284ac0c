import { invalidFieldOf } from '../chat/invalid-field.ts';
import {
  checkModelName,
  type RefusedParameters,
  readRequestBody,
  refuseControlFields,
  refuseParameters,
} from '../request-body.ts';
import { type MessagesRequest, messagesRequest } from './messages-request.ts';

export interface MessagesRequestFacts {
  readonly model: string;
  readonly stream: boolean;
  /** Always true: a message ends with its usage whether or not the client asks. */
  readonly includeUsage: true;
  /** Temperature 0: the same request may be given a stored answer. */
  readonly deterministic: boolean;
  /** The request as JSON says it, unknown fields included. */
  readonly parsed: MessagesRequest;
}

/** What not even Anthropic is asked for. */
export const MESSAGES_PARAMETERS_REFUSED: RefusedParameters = {
  thread: 'Anthropic keeps threads for an account, which the tenants of a gateway share',
};

/** Reads a client's request of the Messages API. Throws as `parseChatRequest` does. */
export function parseMessagesRequest(body: Uint8Array): MessagesRequestFacts {
  const parsed = asMessagesRequest(readRequestBody(body));
  checkModelName(parsed.model);
  refuseParameters(parsed, MESSAGES_PARAMETERS_REFUSED);
  return {
    model: parsed.model,
    stream: parsed.stream === true,
    includeUsage: true,
    deterministic: parsed.temperature === 0,
    parsed,
  };
}

/** The value itself, not a copy: what zod builds would hold the same. */
export function asMessagesRequest(value: unknown): MessagesRequest {
  refuseControlFields(value);
  const result = messagesRequest.safeParse(value, { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return value as MessagesRequest;
}
