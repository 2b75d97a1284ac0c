/**
 * What becomes of each parameter of a message when the provider does not speak the Messages API.
 * The words mean what they mean in `PARAMETER_SUPPORT`; what is translated is afterwards subject to
 * that table.
 */
import { invalidField } from '../chat/invalid-field.ts';
import type { Support } from '../support.ts';
import type { MessagesRequest } from './messages-request.ts';

export const MESSAGES_PARAMETER_SUPPORT = {
  model: 'translated',
  messages: 'translated',
  system: 'translated',
  max_tokens: 'translated',
  stream: 'translated',
  temperature: 'translated',
  top_p: 'translated',
  top_k: 'translated',
  stop_sequences: 'translated',
  /** The client's own; each tool that Anthropic runs or defines is refused by its name. */
  tools: 'translated',
  tool_choice: 'translated',
  thinking: 'translated',
  output_config: 'translated',
  output_format: 'translated',
  metadata: 'translated',
  service_tier: 'translated',
  cache_control: 'dropped',
  context_management: 'dropped',
  inference_geo: 'dropped',
  speed: 'dropped',
  container: 'refused',
  mcp_servers: 'refused',
  /** Anthropic keeps the messages before, and the request has the new ones alone. */
  thread: 'refused',
} as const satisfies Record<string, Support>;

/** Throws `invalid_request` for the first parameter that only Anthropic can be asked for. */
export function refuseUntranslatable(request: MessagesRequest): void {
  for (const [name, support] of Object.entries(MESSAGES_PARAMETER_SUPPORT)) {
    const value = request[name];
    const isEmpty = value === undefined || value === null || isEmptyList(value);
    if (support !== 'refused' || isEmpty) continue;
    throw invalidField(
      name,
      `Unsupported parameter: '${name}' works with models of Anthropic alone.`,
      'unsupported_parameter',
    );
  }
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
