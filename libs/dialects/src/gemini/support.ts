/**
 * What becomes of each parameter of a generateContent when the provider does not speak Google's API;
 * those of `generationConfig` stand under their own names. The words mean what they mean in
 * `PARAMETER_SUPPORT`; what is translated is afterwards subject to that table.
 */
import type { GatewayError } from '@gateway/protocol';
import { invalidField } from '../chat/invalid-field.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { Support } from '../support.ts';

export const GEMINI_PARAMETER_SUPPORT = {
  contents: 'translated',
  systemInstruction: 'translated',
  /** Functions; each tool that Google runs is refused by its name. */
  tools: 'translated',
  toolConfig: 'translated',
  safetySettings: 'dropped',
  labels: 'dropped',
  cachedContent: 'refused',
  'generationConfig.temperature': 'translated',
  'generationConfig.topP': 'translated',
  'generationConfig.topK': 'translated',
  'generationConfig.maxOutputTokens': 'translated',
  'generationConfig.candidateCount': 'translated',
  'generationConfig.stopSequences': 'translated',
  'generationConfig.seed': 'translated',
  'generationConfig.presencePenalty': 'translated',
  'generationConfig.frequencyPenalty': 'translated',
  'generationConfig.responseMimeType': 'translated',
  'generationConfig.responseSchema': 'translated',
  'generationConfig.responseJsonSchema': 'translated',
  'generationConfig.thinkingConfig': 'translated',
  /** Text alone; another kind of answer is refused. */
  'generationConfig.responseModalities': 'translated',
  'generationConfig.mediaResolution': 'dropped',
  'generationConfig.responseLogprobs': 'refused',
  'generationConfig.speechConfig': 'refused',
} as const satisfies Record<string, Support>;

/** Throws `invalid_request` for the first refused parameter among the members of an object. */
export function refuseUntranslatable(members: JsonObject, prefix = ''): void {
  for (const [param, support] of Object.entries(GEMINI_PARAMETER_SUPPORT)) {
    if (support !== 'refused' || !param.startsWith(prefix)) continue;
    const value = members[param.slice(prefix.length)];
    if (value !== undefined && value !== null && value !== false && value !== '') {
      throw unsupported(param);
    }
  }
}

export function unsupported(param: string): GatewayError {
  const message = `Unsupported parameter: '${param}' works with models of Google alone.`;
  return invalidField(param, message, 'unsupported_parameter');
}
