import { z } from 'zod';
import type { HttpProviderKind } from './provider-kind.ts';

const page = z.object({
  data: z.array(z.object({ id: z.string(), created: z.number().nullish() })),
});

/** Any server that speaks OpenAI's API; one in the operator's own network may want no credential. */
export const openaiCompatible: HttpProviderKind = {
  dialects: ['chat'],
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

/** @see https://platform.openai.com/docs/api-reference/authentication */
export const openai: HttpProviderKind = {
  ...openaiCompatible,
  dialects: ['chat', 'responses'],
  baseUrl: 'https://api.openai.com/v1',
  needsCredential: true,
};
