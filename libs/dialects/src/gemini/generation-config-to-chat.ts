import type { ChatRequest } from '../chat/chat-request.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import type { GenerateRequest, GenerationConfig } from './generate-request.ts';
import { jsonSchemaFrom } from './json-schema.ts';
import { refuseUntranslatable, unsupported } from './support.ts';

const SCHEMA_NAME = 'response';
/** Budgets up to these are the effort, as Google's compatible API maps them the other way. */
const LOW_BUDGET_MAX = 1_024;
const MEDIUM_BUDGET_MAX = 8_192;

/**
 * What a generation config asks for, in terms of chat completions. Media resolution and
 * whatever else is Google's alone is dropped, as its own compatible API drops it; what would make
 * the answer another thing is refused.
 */
export function generationConfigToChat({
  generationConfig,
}: GenerateRequest): Partial<ChatRequest> {
  const config: GenerationConfig = generationConfig ?? {};
  refuseOtherModalities(config);
  const stop = config.stopSequences ?? [];
  const asked = {
    temperature: numberOf(config.temperature),
    top_p: numberOf(config.topP),
    top_k: numberOf(config.topK),
    max_completion_tokens: numberOf(config.maxOutputTokens),
    n: numberOf(config.candidateCount),
    stop: stop.length === 0 ? undefined : stop,
    seed: numberOf(config.seed),
    presence_penalty: numberOf(config.presencePenalty),
    frequency_penalty: numberOf(config.frequencyPenalty),
    reasoning_effort: effortOf(config),
    response_format: formatOf(config),
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

/** Log probabilities have another form in each dialect, and no way between them. */
function refuseOtherModalities(config: GenerationConfig): void {
  const other = (config.responseModalities ?? []).some((kind) => kind.toUpperCase() !== 'TEXT');
  if (other) throw unsupported('generationConfig.responseModalities');
  refuseUntranslatable(config, 'generationConfig.');
}

/** A number, which may come in quotes. */
export function numberOf(value: number | string | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

function effortOf({ thinkingConfig }: GenerationConfig): string | undefined {
  const level = thinkingConfig?.thinkingLevel?.toLowerCase();
  if (level !== undefined && level !== 'thinking_level_unspecified') return level;
  const budget = numberOf(thinkingConfig?.thinkingBudget);
  // A negative budget leaves it to the model.
  if (budget === undefined || budget < 0) return undefined;
  if (budget === 0) return 'none';
  if (budget <= LOW_BUDGET_MAX) return 'low';
  return budget <= MEDIUM_BUDGET_MAX ? 'medium' : 'high';
}

function formatOf(config: GenerationConfig): ChatRequest['response_format'] {
  const { responseMimeType: type, responseSchema, responseJsonSchema } = config;
  const schema = schemaOf(responseSchema, responseJsonSchema);
  if (type == null || type === 'text/plain') return undefined;
  if (type !== 'application/json') throw unsupported('generationConfig.responseMimeType');
  if (schema === undefined) return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: SCHEMA_NAME, schema } };
}

function schemaOf(own: unknown, json: unknown): JsonObject | undefined {
  if (isObject(json)) return json;
  return isObject(own) ? jsonSchemaFrom(own) : undefined;
}
