import type { ProviderDefinition } from '@gateway/protocol';
import { z } from 'zod';
import type { HttpProviderKind } from './provider-kind.ts';

const page = z.object({
  data: z.array(z.object({ id: z.string(), created: z.number().nullish() })),
});

const CHAT = ['chat'] as const;
const CHAT_AND_RESPONSES = ['chat', 'responses'] as const;

const compatible: HttpProviderKind = {
  dialects: CHAT,
  needsCredential: false,
  headers: (credential): Record<string, string> =>
    credential === undefined ? {} : { authorization: `Bearer ${credential}` },
  modelsPath: '/models',
  readModels: (value) => ({
    models: page.parse(value).data.map(({ id, created }) => ({
      id,
      ...(typeof created === 'number' && { created: Math.trunc(created) }),
    })),
  }),
};

/** Any server that speaks OpenAI's API; one in the operator's own network may want no credential. */
export function openaiCompatible({ responses = false }: ProviderDefinition): HttpProviderKind {
  return { ...compatible, dialects: responses ? CHAT_AND_RESPONSES : CHAT };
}

/**
 * OpenAI's API in Azure. A model is named by its deployment. The list of models is of what could be
 * deployed, so it is not read.
 * @see https://learn.microsoft.com/azure/ai-foundry/openai/latest
 */
export function azure({ responses = true }: ProviderDefinition): HttpProviderKind {
  return {
    ...compatible,
    dialects: responses ? CHAT_AND_RESPONSES : CHAT,
    needsCredential: true,
    headers: (credential): Record<string, string> =>
      credential === undefined ? {} : { 'api-key': credential },
    modelsPath: undefined,
  };
}

/** @see https://platform.openai.com/docs/api-reference/authentication */
export const openai: HttpProviderKind = {
  ...compatible,
  dialects: CHAT_AND_RESPONSES,
  baseUrl: 'https://api.openai.com/v1',
  needsCredential: true,
};
