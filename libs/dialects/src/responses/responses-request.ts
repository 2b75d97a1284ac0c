/**
 * A request of the Responses API: what the gateway acts on is typed, the rest passes.
 * @see https://platform.openai.com/docs/api-reference/responses/create
 *
 * Items and tools are open lists that grow with every model, so that of a kind we don't know only
 * its name is checked. An explicit null is an absent value, as with OpenAI.
 */
import { z } from 'zod';
import { MODEL_CHARACTERS_MAX, TOOL_NAME_CHARACTERS_MAX } from '../chat/chat-request.ts';

const text = z.string().nullish();

const textPart = z.looseObject({ type: z.enum(['input_text', 'output_text']), text: z.string() });
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const imagePart = z.looseObject({
  type: z.literal('input_image'),
  image_url: text,
  file_id: text,
  detail: text,
});
const filePart = z.looseObject({
  type: z.literal('input_file'),
  file_data: text,
  file_id: text,
  file_url: text,
  filename: text,
});
const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
});

/** A kind that has no place in the union above it. */
function otherThan(known: readonly string[]): z.ZodType<string> {
  return z.string().refine((type) => !known.includes(type), { abort: true });
}

const KNOWN_PARTS = [
  'input_text',
  'output_text',
  'refusal',
  'input_image',
  'input_file',
  'input_audio',
];
const part = z.union([
  z.discriminatedUnion('type', [textPart, refusalPart, imagePart, filePart, audioPart]),
  z.looseObject({ type: otherThan(KNOWN_PARTS) }),
]);
const content = z.union([z.string(), z.array(part)]);

const messageItem = z.looseObject({
  type: z.literal('message').nullish(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
});
const functionCallItem = z.looseObject({
  type: z.literal('function_call'),
  call_id: z.string().min(1),
  name: z.string().min(1),
  namespace: text,
  arguments: z.string(),
});
const functionOutputItem = z.looseObject({
  type: z.literal('function_call_output'),
  call_id: z.string().min(1),
  output: content,
});
const customCallItem = z.looseObject({
  type: z.literal('custom_tool_call'),
  call_id: z.string().min(1),
  name: z.string().min(1),
  input: z.string(),
});
const customOutputItem = z.looseObject({
  type: z.literal('custom_tool_call_output'),
  call_id: z.string().min(1),
  output: content,
});
const reasoningItem = z.looseObject({
  type: z.literal('reasoning'),
  encrypted_content: text,
});

const KNOWN_ITEMS = [
  'message',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'reasoning',
];
/** Calls of the vendor's own tools and their outputs: passed on, never translated. */
const otherItem = z.looseObject({ type: otherThan(KNOWN_ITEMS) });

const item = z.union([
  z.discriminatedUnion('type', [
    messageItem,
    functionCallItem,
    functionOutputItem,
    customCallItem,
    customOutputItem,
    reasoningItem,
  ]),
  otherItem,
]);

const tool = z.looseObject({
  type: z.string(),
  name: z.string().min(1).max(TOOL_NAME_CHARACTERS_MAX).nullish(),
  description: text,
  parameters: z.looseObject({}).nullish(),
  strict: z.boolean().nullish(),
});

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.looseObject({ type: z.string(), name: text }),
]);

const format = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    name: z.string().min(1),
    description: text,
    schema: z.looseObject({}),
    strict: z.boolean().nullish(),
  }),
]);

const integer = z.number().int();

export const responsesRequest = z.looseObject({
  model: z.string().min(1).max(MODEL_CHARACTERS_MAX),
  input: z.union([z.string(), z.array(item)]).nullish(),
  instructions: text,
  previous_response_id: text,
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({}).nullish(),
  include: z.array(z.string()).nullish(),
  max_output_tokens: integer.min(1).nullish(),
  max_tool_calls: integer.min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: integer.min(0).max(20).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.looseObject({ format: format.nullish(), verbosity: text }).nullish(),
  reasoning: z.looseObject({ effort: text, summary: text }).nullish(),
  truncation: text,
  metadata: z.looseObject({}).nullish(),
  user: text,
  service_tier: text,
  prompt_cache_key: text,
  safety_identifier: text,
});

export type ResponsesRequest = z.infer<typeof responsesRequest>;
export type InputItem = z.infer<typeof item>;
export type InputContent = z.infer<typeof content>;
export type InputPart = z.infer<typeof part>;
export type ResponsesTool = z.infer<typeof tool>;
