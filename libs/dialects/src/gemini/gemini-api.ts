/**
 * Google's Gemini API, as far as it is read here.
 * @see https://ai.google.dev/api/generate-content
 */
import { z } from 'zod';

const text = z.string().nullish();
const count = z.number().nullish();

const apiPart = z.looseObject({
  text,
  thought: z.boolean().nullish(),
  thoughtSignature: text,
  functionCall: z
    .looseObject({
      id: text,
      name: z.string().min(1),
      args: z.record(z.string(), z.unknown()).nullish(),
      // Arguments in pieces come only to those who ask for them, and we do not.
      partialArgs: z.undefined().optional(),
      willContinue: z.literal(false).nullish(),
    })
    .nullish(),
});

export type ApiPart = z.infer<typeof apiPart>;

const candidate = z.looseObject({
  index: z.number().int().nullish(),
  content: z.looseObject({ parts: z.array(apiPart).nullish() }).nullish(),
  finishReason: text,
});

export type ApiCandidate = z.infer<typeof candidate>;

export const apiUsage = z.looseObject({
  promptTokenCount: count,
  candidatesTokenCount: count,
  thoughtsTokenCount: count,
  toolUsePromptTokenCount: count,
  cachedContentTokenCount: count,
});

export type ApiUsage = z.infer<typeof apiUsage>;

/** A whole answer and an event of a stream have one shape. */
export const apiAnswer = z.looseObject({
  candidates: z.array(candidate).nullish(),
  promptFeedback: z.looseObject({ blockReason: text }).nullish(),
  usageMetadata: apiUsage.nullish(),
  modelVersion: text,
  responseId: text,
});

export type ApiAnswer = z.infer<typeof apiAnswer>;
