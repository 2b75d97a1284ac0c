/**
 * Anthropic's Messages API, as far as it is read or written here.
 * @see https://platform.claude.com/docs/en/api/messages
 */
import { z } from 'zod';

/** The version of all recorded traffic. */
export const API_VERSION = '2023-06-01';

const text = z.string().nullish();

export const apiUsage = z.looseObject({
  input_tokens: z.number().nullish(),
  output_tokens: z.number().nullish(),
  cache_read_input_tokens: z.number().nullish(),
  cache_creation_input_tokens: z.number().nullish(),
  output_tokens_details: z.looseObject({ thinking_tokens: z.number().nullish() }).nullish(),
});

export type ApiUsage = z.infer<typeof apiUsage>;

const citation = z.looseObject({ type: text, url: text, title: text });

export type ApiCitation = z.infer<typeof citation>;

/** A block of content; which fields it has depends on its type. */
const block = z.looseObject({
  type: z.string(),
  text,
  thinking: text,
  signature: text,
  data: text,
  citations: z.array(citation).nullish(),
  id: text,
  name: text,
  input: z.unknown().optional(),
});

export type ApiBlock = z.infer<typeof block>;

const stopDetails = z.looseObject({ explanation: text }).nullish();

const messageHead = {
  id: text,
  model: text,
  usage: apiUsage.nullish(),
};

export const apiMessage = z.looseObject({
  ...messageHead,
  content: z.array(block),
  stop_reason: text,
  stop_details: stopDetails,
});

export const apiEvent = z.looseObject({
  type: z.string(),
  index: z.number().int().nullish(),
  message: z.looseObject(messageHead).nullish(),
  content_block: block.nullish(),
  delta: z
    .looseObject({
      type: text,
      text,
      thinking: text,
      signature: text,
      citation: citation.nullish(),
      partial_json: text,
      stop_reason: text,
      stop_details: stopDetails,
    })
    .nullish(),
  usage: apiUsage.nullish(),
});

export type ApiEvent = z.infer<typeof apiEvent>;
