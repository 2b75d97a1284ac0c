/**
 * Responses and their events as a provider sends them, as far as the gateway reads them on the way.
 * Reading is lenient: what is added must not break us.
 */
import { z } from 'zod';

const text = z.string().nullish();

const part = z.looseObject({ text, refusal: text });

const item = z.looseObject({
  type: text,
  content: z.array(part).nullish().catch(undefined),
  summary: z.array(part).nullish().catch(undefined),
  arguments: text.catch(undefined),
  input: text.catch(undefined),
});

export const apiResponse = z.looseObject({
  id: text,
  model: text.catch(undefined),
  status: text,
  incomplete_details: z.looseObject({ reason: text }).nullish().catch(undefined),
  output: z.array(item).nullish(),
  usage: z.unknown().optional(),
});

export const apiEvent = z.looseObject({
  type: z.string().nullish(),
  response: z.unknown().optional(),
  delta: z.unknown().optional(),
});

export type ApiResponse = z.infer<typeof apiResponse>;
