/**
 * What becomes of each parameter of a response when the provider does not speak the Responses API.
 * The words mean what they mean in `PARAMETER_SUPPORT`; what is translated is afterwards subject to
 * that table.
 */
import { invalidField } from '../chat/invalid-field.ts';
import type { Support } from '../support.ts';
import type { ResponsesRequest } from './responses-request.ts';

export const RESPONSES_PARAMETER_SUPPORT = {
  model: 'translated',
  input: 'translated',
  instructions: 'translated',
  stream: 'translated',
  max_output_tokens: 'translated',
  temperature: 'translated',
  top_p: 'translated',
  tools: 'translated',
  tool_choice: 'translated',
  parallel_tool_calls: 'translated',
  text: 'translated',
  reasoning: 'translated',
  user: 'translated',
  /** Encrypted reasoning is translated; of what else can be included, there is nothing. */
  include: 'translated',
  /** The answer says what holds: nothing is stored. */
  store: 'dropped',
  metadata: 'dropped',
  truncation: 'dropped',
  service_tier: 'dropped',
  prompt_cache_key: 'dropped',
  prompt_cache_options: 'dropped',
  prompt_cache_retention: 'dropped',
  safety_identifier: 'dropped',
  stream_options: 'dropped',
  max_tool_calls: 'dropped',
  context_management: 'dropped',
  previous_response_id: 'refused',
  conversation: 'refused',
  prompt: 'refused',
  background: 'refused',
  moderation: 'refused',
  top_logprobs: 'refused',
} as const satisfies Record<string, Support>;

const HARMLESS: Readonly<Record<string, unknown>> = { background: false, top_logprobs: 0 };

const LOGPROBS = 'message.output_text.logprobs';

/** Throws `invalid_request` for the first parameter that only OpenAI can be asked for. */
export function refuseUntranslatable(request: ResponsesRequest): void {
  for (const [name, support] of Object.entries(RESPONSES_PARAMETER_SUPPORT)) {
    const value = request[name];
    if (support !== 'refused' || value === undefined || value === null) continue;
    if (HARMLESS[name] !== value) throw refusal(name);
  }
  const index = (request.include ?? []).indexOf(LOGPROBS);
  if (index !== -1) throw refusal(`include[${index}]`);
}

function refusal(param: string): Error {
  const hint =
    param === 'previous_response_id'
      ? "no earlier response is kept for models of this provider: send all items in 'input'"
      : 'it is not supported with models of this provider';
  const message = `Unsupported parameter '${param}': ${hint}.`;
  return invalidField(param, message, 'unsupported_parameter');
}
