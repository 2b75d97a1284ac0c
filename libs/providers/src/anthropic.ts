import { z } from 'zod';
import type { HttpProviderKind } from './provider-kind.ts';

/** The version whose shapes `libs/dialects` reads; another one may differ. */
const API_VERSION = '2023-06-01';

const page = z.object({
  data: z.array(z.object({ id: z.string(), created_at: z.string().optional() })),
  has_more: z.boolean().optional(),
  last_id: z.string().nullish(),
});

const MODELS_PATH = '/v1/models?limit=1000';

/** @see https://docs.claude.com/en/api/overview */
export const anthropic: HttpProviderKind = {
  dialects: ['messages'],
  baseUrl: 'https://api.anthropic.com',
  needsCredential: true,
  defaultHeaders: { 'anthropic-version': API_VERSION },
  headers: (credential): Record<string, string> =>
    credential === undefined ? {} : { 'x-api-key': credential },
  modelsPath: MODELS_PATH,
  readModels: (value) => {
    const { data, has_more: hasMore, last_id: lastId } = page.parse(value);
    return {
      models: data.map(({ id, created_at: createdAt }) => {
        const createdMs = createdAt === undefined ? Number.NaN : Date.parse(createdAt);
        return { id, ...(createdMs >= 0 && { created: Math.trunc(createdMs / 1000) }) };
      }),
      ...(hasMore &&
        lastId && { nextPath: `${MODELS_PATH}&after_id=${encodeURIComponent(lastId)}` }),
    };
  },
};
