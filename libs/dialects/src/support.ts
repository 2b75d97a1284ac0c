/**
 * What becomes of each parameter of a chat completion when the provider speaks another dialect.
 *
 * `translated` reaches the provider in its own terms. `dropped` is left out without a word, as the
 * vendors' own compatible APIs do: it asks for something that does not change what the answer is.
 * `refused` is answered with 400 that names it, because the client would otherwise take an answer
 * for something it is not. A parameter that is not listed here is not OpenAI's, and is dropped.
 * @see https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk
 * @see https://ai.google.dev/gemini-api/docs/openai
 */
import type { ChatRequest } from './chat/chat-request.ts';
import { invalidField } from './chat/invalid-field.ts';
import type { HubDialect } from './exchange.ts';

/** A provider dialect that is reached by translation. */
export type Target = Exclude<HubDialect, 'chat'>;
export type Support = 'translated' | 'dropped' | 'refused';

const EVERYWHERE = (support: Support): Record<Target, Support> => ({
  messages: support,
  gemini: support,
});

export const PARAMETER_SUPPORT = {
  model: EVERYWHERE('translated'),
  messages: EVERYWHERE('translated'),
  stream: EVERYWHERE('translated'),
  stream_options: EVERYWHERE('translated'),
  max_tokens: EVERYWHERE('translated'),
  max_completion_tokens: EVERYWHERE('translated'),
  temperature: EVERYWHERE('translated'),
  top_p: EVERYWHERE('translated'),
  stop: EVERYWHERE('translated'),
  tools: EVERYWHERE('translated'),
  tool_choice: EVERYWHERE('translated'),
  response_format: EVERYWHERE('translated'),
  reasoning_effort: EVERYWHERE('translated'),
  parallel_tool_calls: EVERYWHERE('translated'),
  n: { messages: 'refused', gemini: 'translated' },
  seed: { messages: 'dropped', gemini: 'translated' },
  presence_penalty: { messages: 'dropped', gemini: 'translated' },
  frequency_penalty: { messages: 'dropped', gemini: 'translated' },
  top_k: EVERYWHERE('translated'),
  service_tier: { messages: 'translated', gemini: 'dropped' },
  user: { messages: 'translated', gemini: 'dropped' },
  logprobs: EVERYWHERE('refused'),
  top_logprobs: EVERYWHERE('refused'),
  audio: EVERYWHERE('refused'),
  modalities: EVERYWHERE('refused'),
  web_search_options: EVERYWHERE('refused'),
  functions: EVERYWHERE('refused'),
  function_call: EVERYWHERE('refused'),
  logit_bias: EVERYWHERE('dropped'),
  metadata: EVERYWHERE('dropped'),
  prediction: EVERYWHERE('dropped'),
  prompt_cache_key: EVERYWHERE('dropped'),
  prompt_cache_retention: EVERYWHERE('dropped'),
  safety_identifier: EVERYWHERE('dropped'),
  store: EVERYWHERE('dropped'),
  verbosity: EVERYWHERE('dropped'),
} as const satisfies Record<string, Record<Target, Support>>;

/** Values of refused parameters that ask for what every answer is anyway. */
const HARMLESS: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: (value) => value === 1,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  modalities: (value) => Array.isArray(value) && value.every((kind) => kind === 'text'),
  functions: (value) => Array.isArray(value) && value.length === 0,
  function_call: (value) => value === 'none' || value === 'auto',
};

const VENDORS: Readonly<Record<Target, string>> = { messages: 'Anthropic', gemini: 'Google' };

/** Throws `invalid_request` for the first parameter that the target cannot be asked for. */
export function refuseUnsupported(request: ChatRequest, target: HubDialect): void {
  if (target === 'chat') return;
  for (const [name, support] of Object.entries(PARAMETER_SUPPORT)) {
    const value = request[name];
    if (support[target] !== 'refused' || value === undefined || value === null) continue;
    if (HARMLESS[name]?.(value) === true) continue;
    throw unsupported(name, target, name === 'n' ? "'n' must be 1" : `'${name}' is not supported`);
  }
}

/** The refusal of something that OpenAI knows and the target does not. */
function unsupported(param: string, target: Target, what: string): ReturnType<typeof invalidField> {
  return invalidField(
    param,
    `Unsupported parameter: ${what} with models of ${VENDORS[target]}.`,
    'unsupported_parameter',
  );
}
