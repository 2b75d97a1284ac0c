/**
 * A client's generateContent request, in camel case: what the gateway acts on is typed, the rest
 * passes. Google's parser takes one object for an array of one, and a number in quotes.
 * @see https://ai.google.dev/api/generate-content
 */
import { z } from 'zod';

const text = z.string().nullish();
const number = z.union([z.number(), z.string().regex(/^-?\d+(?:\.\d+)?$/)]).nullish();

function listOf<Entry extends z.ZodType>(entry: Entry) {
  return z.union([z.array(entry), entry.transform((value) => [value])]);
}

const part = z.looseObject({
  text,
  thought: z.boolean().nullish(),
  thoughtSignature: text,
  inlineData: z.looseObject({ mimeType: z.string().min(1), data: z.string() }).nullish(),
  fileData: z.looseObject({ mimeType: text, fileUri: z.string().min(1) }).nullish(),
  functionCall: z
    .looseObject({ id: text, name: z.string().min(1), args: z.looseObject({}).nullish() })
    .nullish(),
  functionResponse: z
    .looseObject({
      id: text,
      name: z.string().min(1),
      response: z.looseObject({}).nullish(),
      parts: z.array(z.looseObject({})).nullish(),
    })
    .nullish(),
});

export type RequestPart = z.infer<typeof part>;

const content = z.looseObject({ role: text, parts: listOf(part).nullish() });

export type RequestContent = z.infer<typeof content>;

const functionDeclaration = z.looseObject({
  name: z.string().min(1),
  description: text,
  parameters: z.looseObject({}).nullish(),
  parametersJsonSchema: z.looseObject({}).nullish(),
});

const tool = z.looseObject({ functionDeclarations: listOf(functionDeclaration).nullish() });

const generationConfig = z.looseObject({
  temperature: number,
  topP: number,
  topK: number,
  maxOutputTokens: number,
  candidateCount: number,
  stopSequences: z.array(z.string()).nullish(),
  seed: number,
  presencePenalty: number,
  frequencyPenalty: number,
  responseLogprobs: z.boolean().nullish(),
  logprobs: number,
  responseMimeType: text,
  responseSchema: z.looseObject({}).nullish(),
  responseJsonSchema: z.looseObject({}).nullish(),
  responseModalities: listOf(z.string()).nullish(),
  thinkingConfig: z
    .looseObject({
      includeThoughts: z.boolean().nullish(),
      thinkingBudget: number,
      thinkingLevel: text,
    })
    .nullish(),
});

export type GenerationConfig = z.infer<typeof generationConfig>;

export const generateRequest = z.looseObject({
  contents: listOf(content).refine((contents) => contents.length > 0),
  systemInstruction: content.nullish(),
  tools: listOf(tool).nullish(),
  toolConfig: z
    .looseObject({
      functionCallingConfig: z
        .looseObject({ mode: text, allowedFunctionNames: z.array(z.string()).nullish() })
        .nullish(),
    })
    .nullish(),
  generationConfig: generationConfig.nullish(),
  cachedContent: text,
});

export type GenerateRequest = z.infer<typeof generateRequest>;
export type RequestTool = z.infer<typeof tool>;
