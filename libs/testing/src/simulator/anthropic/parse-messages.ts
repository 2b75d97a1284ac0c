/** @see https://platform.claude.com/docs/en/api/messages */

import {
  arrayOf,
  isObject,
  type JsonObject,
  numberOf,
  objectOf,
  objectsOf,
  textOf,
} from '../../json-value.ts';
import {
  type Conversation,
  checkToolResults,
  InvalidRequestError,
  type Tool,
  type ToolChoice,
  type Turn,
} from '../conversation.ts';

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return objectsOf(content)
    .filter(({ type }) => type === 'text')
    .map(({ text }) => textOf(text))
    .join('\n');
}

function checkImage({ source }: JsonObject): void {
  const { type, media_type: mediaType, data, url } = objectOf(source);
  const inline = type === 'base64' && /^image\//.test(textOf(mediaType)) && textOf(data) !== '';
  const linked = type === 'url' && /^https?:/.test(textOf(url));
  if (!inline && !linked) throw new InvalidRequestError('messages: invalid image source');
}

function turnOf(message: JsonObject, index: number): Turn {
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant') {
    throw new InvalidRequestError(`messages.${index}.role: Input should be 'user' or 'assistant'`);
  }
  const blocks = objectsOf(content);
  const images = blocks.filter(({ type }) => type === 'image');
  images.forEach(checkImage);
  const uses = blocks.filter(({ type }) => type === 'tool_use');
  const bad = uses.find(({ id, input }) => textOf(id) === '' || !isObject(input));
  if (bad !== undefined) {
    throw new InvalidRequestError(`messages.${index}.content: tool_use needs an id and an input`);
  }
  const results = blocks.filter(({ type }) => type === 'tool_result');
  return {
    role,
    text: contentText(content),
    images: images.length,
    toolCalls: uses.map(({ id, name, input }) => ({
      id: textOf(id),
      name: textOf(name),
      arguments: input,
    })),
    toolResults: results.map((result) => ({
      id: textOf(result.tool_use_id),
      text: contentText(result.content),
    })),
  };
}

/** Turns of the same role in a row count as one, as the real API has it. */
function merged(turns: readonly Turn[]): Turn[] {
  const result: Turn[] = [];
  for (const turn of turns) {
    const last = result.at(-1);
    if (last?.role !== turn.role) {
      result.push(turn);
      continue;
    }
    result[result.length - 1] = {
      role: turn.role,
      text: [last.text, turn.text].filter(Boolean).join('\n'),
      images: last.images + turn.images,
      toolCalls: [...last.toolCalls, ...turn.toolCalls],
      toolResults: [...last.toolResults, ...turn.toolResults],
    };
  }
  return result;
}

function toolsOf(body: JsonObject): Tool[] {
  return objectsOf(body.tools).map(({ name, input_schema: schema }, index) => {
    if (textOf(name) === '' || objectOf(schema).type !== 'object') {
      throw new InvalidRequestError(`tools.${index}.input_schema.type: Field required`);
    }
    return { name: textOf(name), parameters: objectOf(schema) };
  });
}

function toolChoiceOf(choice: JsonObject): ToolChoice {
  if (choice.type === 'any') return 'required';
  if (choice.type === 'none') return 'none';
  return choice.type === 'tool' ? { name: textOf(choice.name) } : 'auto';
}

/** Reads a body of `/v1/messages`. */
export function parseMessages(body: JsonObject): Conversation {
  const model = textOf(body.model);
  const tokensMax = numberOf(body.max_tokens);
  if (model === '') throw new InvalidRequestError('model: Field required');
  if (tokensMax === undefined || tokensMax < 1) {
    throw new InvalidRequestError('max_tokens: Field required');
  }
  const messages = objectsOf(body.messages);
  if (messages.length === 0) throw new InvalidRequestError('messages: Field required');
  const turns = merged(messages.map(turnOf));
  if (turns[0]?.role !== 'user') {
    throw new InvalidRequestError('messages: first message must use the "user" role');
  }
  checkToolResults(
    turns,
    (id) => `messages: \`tool_use\` and \`tool_result\` blocks do not pair up: ${id}`,
  );
  const format = objectOf(objectOf(body.output_config).format ?? body.output_format);
  const choice = objectOf(body.tool_choice);
  return {
    model,
    stream: body.stream === true,
    system: contentText(body.system),
    turns,
    tools: toolsOf(body),
    toolChoice: toolChoiceOf(choice),
    parallelToolCalls: choice.disable_parallel_tool_use !== true,
    jsonSchema: format.type === 'json_schema' ? objectOf(format.schema) : undefined,
    tokensMax,
    temperature: numberOf(body.temperature),
    stop: arrayOf(body.stop_sequences).map(textOf),
    includeUsage: true,
  };
}
