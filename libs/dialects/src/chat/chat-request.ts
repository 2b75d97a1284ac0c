/**
 * A chat completion request: what the gateway acts on is typed, the rest passes.
 * @see https://platform.openai.com/docs/api-reference/chat/create
 *
 * The checks are those that hold for every provider: OpenAI's types and ranges. What only some
 * models know is left to the provider. An explicit null is an absent value, as with OpenAI.
 */
import { z } from 'zod';

export const MODEL_CHARACTERS_MAX = 256;
const STOP_SEQUENCES_MAX = 4;
export const CHOICES_MAX = 128;
export const TOOL_NAME_CHARACTERS_MAX = 128;

/**
 * Beyond OpenAI's own: marks the end of a prefix that is worth caching. Anthropic's form, which
 * clients use with OpenRouter, too.
 */
const cache_control = z.looseObject({ type: z.string() }).nullish();

const textPart = z.looseObject({ type: z.literal('text'), text: z.string(), cache_control });
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({ url: z.string().min(1) }),
  cache_control,
});
const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
});
const filePart = z.looseObject({
  type: z.literal('file'),
  file: z.looseObject({
    file_data: z.string().nullish(),
    file_id: z.string().nullish(),
    filename: z.string().nullish(),
  }),
  cache_control,
});

const KNOWN_PARTS = ['text', 'refusal', 'image_url', 'input_audio', 'file'];
/** Parts of compatible servers, such as `thinking` or `video_url`: passed on, never translated. */
const otherPart = z.looseObject({
  type: z.string().refine((type) => !KNOWN_PARTS.includes(type), { abort: true }),
});

const part = z.union([
  z.discriminatedUnion('type', [textPart, refusalPart, imagePart, audioPart, filePart]),
  otherPart,
]);
const content = z.union([z.string(), z.array(part)]);

const toolCall = z.looseObject({
  id: z.string(),
  type: z.string().nullish(),
  function: z.looseObject({ name: z.string().min(1), arguments: z.string() }).optional(),
});

const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content }),
  z.looseObject({ role: z.literal('developer'), content }),
  z.looseObject({ role: z.literal('user'), content }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    /** Beyond OpenAI's own: see `reasoning-details.ts`. */
    reasoning_details: z.unknown().optional(),
    /** As DeepSeek has it: thoughts that no signature proves. */
    reasoning_content: z.unknown().optional(),
  }),
  z.looseObject({
    role: z.literal('tool'),
    content,
    tool_call_id: z.string().min(1),
    /** Beyond OpenAI's own, as Anthropic has it: the tool failed. */
    is_error: z.unknown().optional(),
  }),
  z.looseObject({ role: z.literal('function'), content: content.nullish(), name: z.string() }),
]);

const toolName = z.string().min(1).max(TOOL_NAME_CHARACTERS_MAX);
const tool = z.looseObject({
  type: z.string(),
  function: z
    .looseObject({
      name: toolName,
      description: z.string().nullish(),
      parameters: z.looseObject({}).nullish(),
      strict: z.boolean().nullish(),
    })
    .optional(),
  cache_control,
});

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.looseObject({
    type: z.string(),
    function: z.looseObject({ name: z.string().min(1) }).optional(),
  }),
]);

const responseFormat = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({
      name: z.string().min(1),
      description: z.string().nullish(),
      schema: z.looseObject({}).nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
]);

const positiveInteger = z.number().int().min(1);
const penalty = z.number().min(-2).max(2);

export const chatRequest = z.looseObject({
  model: z.string().min(1).max(MODEL_CHARACTERS_MAX),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: positiveInteger.nullish(),
  max_completion_tokens: positiveInteger.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  n: z.number().int().min(1).max(CHOICES_MAX).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(STOP_SEQUENCES_MAX)]).nullish(),
  seed: z.number().int().nullish(),
  presence_penalty: penalty.nullish(),
  frequency_penalty: penalty.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  reasoning_effort: z.string().nullish(),
  service_tier: z.string().nullish(),
  /** Beyond OpenAI's own, as Anthropic, Google and many compatible servers have it. */
  top_k: z.number().int().min(0).nullish(),
  user: z.string().nullish(),
});

export type ChatRequest = z.infer<typeof chatRequest>;
export type ChatMessage = ChatRequest['messages'][number];
export type ChatContent = z.infer<typeof content>;
export type ChatPart = z.infer<typeof part>;
export type ChatToolCall = z.infer<typeof toolCall>;
