/**
 * A request of Anthropic's Messages API: what the gateway acts on is typed, the rest passes.
 * @see https://platform.claude.com/docs/en/api/messages/create
 *
 * Both versions of the API, 2023-06-01 and 2026-10-21, are one shape here: the later one adds the
 * role `system` among the messages and leaves parameters out.
 */
import { z } from 'zod';
import { MODEL_CHARACTERS_MAX, TOOL_NAME_CHARACTERS_MAX } from '../chat/chat-request.ts';

const cache_control = z.looseObject({ type: z.string() }).nullish();

/** Of an image or a document; which fields it has depends on its type. */
const source = z.looseObject({
  type: z.string(),
  media_type: z.string().nullish(),
  data: z.string().nullish(),
  url: z.string().nullish(),
  content: z.unknown().optional(),
});

const textBlock = z.looseObject({ type: z.literal('text'), text: z.string(), cache_control });
const imageBlock = z.looseObject({ type: z.literal('image'), source, cache_control });
const documentBlock = z.looseObject({
  type: z.literal('document'),
  source,
  title: z.string().nullish(),
  context: z.string().nullish(),
  cache_control,
});
const searchResultBlock = z.looseObject({
  type: z.literal('search_result'),
  source: z.string(),
  title: z.string(),
  content: z.array(textBlock),
  cache_control,
});
const toolUseBlock = z.looseObject({
  type: z.literal('tool_use'),
  id: z.string().min(1),
  name: z.string().min(1),
  input: z.looseObject({}),
  cache_control,
});
const thinkingBlock = z.looseObject({
  type: z.literal('thinking'),
  thinking: z.string(),
  signature: z.string().nullish(),
});
const redactedThinkingBlock = z.looseObject({
  type: z.literal('redacted_thinking'),
  data: z.string(),
});

const KNOWN_RESULT_BLOCKS = ['text', 'image', 'document', 'search_result'];
const KNOWN_BLOCKS = [
  ...KNOWN_RESULT_BLOCKS,
  'tool_use',
  'tool_result',
  'thinking',
  'redacted_thinking',
];

/** Blocks of Anthropic's own tools, and what later versions add: passed on, seldom translated. */
function otherBlock(known: readonly string[]) {
  return z.looseObject({
    type: z.string().refine((type) => !known.includes(type), { abort: true }),
  });
}

const resultBlock = z.union([
  z.discriminatedUnion('type', [textBlock, imageBlock, documentBlock, searchResultBlock]),
  otherBlock(KNOWN_RESULT_BLOCKS),
]);

const toolResultBlock = z.looseObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string().min(1),
  content: z.union([z.string(), z.array(resultBlock)]).nullish(),
  is_error: z.boolean().nullish(),
  cache_control,
});

const block = z.union([
  z.discriminatedUnion('type', [
    textBlock,
    imageBlock,
    documentBlock,
    searchResultBlock,
    toolUseBlock,
    toolResultBlock,
    thinkingBlock,
    redactedThinkingBlock,
  ]),
  otherBlock(KNOWN_BLOCKS),
]);

const message = z.looseObject({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(block)]),
});

const tool = z.looseObject({
  /** Absent or `custom` for the client's own; anything else is a tool that Anthropic defines. */
  type: z.string().nullish(),
  name: z.string().min(1).max(TOOL_NAME_CHARACTERS_MAX).optional(),
  description: z.string().nullish(),
  input_schema: z.looseObject({}).nullish(),
  strict: z.boolean().nullish(),
  cache_control,
});

const toolChoice = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('auto'), disable_parallel_tool_use: z.boolean().nullish() }),
  z.looseObject({ type: z.literal('any'), disable_parallel_tool_use: z.boolean().nullish() }),
  z.looseObject({
    type: z.literal('tool'),
    name: z.string().min(1),
    disable_parallel_tool_use: z.boolean().nullish(),
  }),
  z.looseObject({ type: z.literal('none') }),
]);

const outputFormat = z.looseObject({ type: z.string(), schema: z.looseObject({}).nullish() });

export const messagesRequest = z.looseObject({
  model: z.string().min(1).max(MODEL_CHARACTERS_MAX),
  messages: z.array(message).min(1),
  /** 0 asks for nothing but a warm cache. */
  max_tokens: z.number().int().min(0),
  system: z.union([z.string(), z.array(textBlock)]).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.number().int().min(0).nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  thinking: z
    .looseObject({ type: z.string(), budget_tokens: z.number().int().nullish() })
    .nullish(),
  output_config: z
    .looseObject({ effort: z.string().nullish(), format: outputFormat.nullish() })
    .nullish(),
  /** The earlier name of `output_config.format`. */
  output_format: z.unknown().optional(),
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
  service_tier: z.string().nullish(),
});

export type MessagesRequest = z.infer<typeof messagesRequest>;
export type RequestMessage = MessagesRequest['messages'][number];
export type RequestBlock = z.infer<typeof block>;
export type RequestTool = z.infer<typeof tool>;
export type ToolResultBlock = z.infer<typeof toolResultBlock>;
export type ResultBlock = z.infer<typeof resultBlock>;
export type TextBlock = z.infer<typeof textBlock>;
export type Source = z.infer<typeof source>;
