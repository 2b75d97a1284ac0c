import { z } from 'zod';
import type { HttpProviderKind } from './provider-kind.ts';

const page = z.object({
  models: z
    .array(
      z.object({
        name: z.string(),
        supportedGenerationMethods: z.array(z.string()).optional(),
      }),
    )
    .default([]),
  nextPageToken: z.string().optional(),
});

const MODELS_PATH = '/v1beta/models?pageSize=1000';

/** @see https://ai.google.dev/api */
export const google: HttpProviderKind = {
  dialects: ['gemini'],
  baseUrl: 'https://generativelanguage.googleapis.com',
  needsCredential: true,
  // Never `?key=`: addresses end up in logs.
  headers: (credential): Record<string, string> =>
    credential === undefined ? {} : { 'x-goog-api-key': credential },
  modelsPath: MODELS_PATH,
  readModels: (value) => {
    const { models, nextPageToken } = page.parse(value);
    return {
      models: models
        .filter(({ supportedGenerationMethods: methods }) =>
          methods === undefined ? true : methods.includes('generateContent'),
        )
        .map(({ name }) => ({ id: name.replace(/^models\//, '') })),
      ...(nextPageToken && {
        nextPath: `${MODELS_PATH}&pageToken=${encodeURIComponent(nextPageToken)}`,
      }),
    };
  },
};
