/** @see https://platform.openai.com/docs/api-reference/chat/create */

import {
  arrayOf,
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
  type ToolCall,
  type ToolChoice,
  type Turn,
} from '../conversation.ts';

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return objectsOf(content)
    .map((part) => textOf(part.text))
    .filter(Boolean)
    .join('\n');
}

function contentImages(content: unknown): number {
  const images = objectsOf(content).filter(({ type }) => type === 'image_url');
  for (const { image_url: image } of images) {
    if (!/^(https?:|data:image\/)/.test(textOf(objectOf(image).url))) {
      throw new InvalidRequestError('Invalid image URL.', 'messages');
    }
  }
  return images.length;
}

function toolCallsOf(message: JsonObject): ToolCall[] {
  return objectsOf(message.tool_calls).map((call) => {
    const called = objectOf(call.function);
    try {
      const parsed = JSON.parse(textOf(called.arguments) || '{}');
      return { id: textOf(call.id), name: textOf(called.name), arguments: parsed };
    } catch {
      throw new InvalidRequestError('Tool call arguments are not JSON.', 'messages');
    }
  });
}

const nothing = { text: '', images: 0, toolCalls: [], toolResults: [] };

function turnsOf(messages: readonly JsonObject[]): Turn[] {
  const turns: Turn[] = [];
  messages.forEach((message, index) => {
    const { role, content } = message;
    const text = contentText(content);
    const last = turns.at(-1);
    switch (role) {
      case 'system':
      case 'developer':
        break;
      case 'user':
        turns.push({ ...nothing, role, text, images: contentImages(content) });
        break;
      case 'assistant':
        turns.push({ ...nothing, role, text, toolCalls: toolCallsOf(message) });
        break;
      case 'tool': {
        const result = { id: textOf(message.tool_call_id), text };
        if (last === undefined || last.toolResults.length === 0) {
          turns.push({ ...nothing, role: 'user', toolResults: [result] });
        } else {
          turns[turns.length - 1] = { ...last, toolResults: [...last.toolResults, result] };
        }
        break;
      }
      default:
        throw new InvalidRequestError(
          `Invalid value: '${textOf(role)}'.`,
          `messages[${index}].role`,
        );
    }
  });
  return turns;
}

function toolsOf(body: JsonObject): Tool[] {
  return objectsOf(body.tools).map((tool) => {
    const { name, parameters } = objectOf(tool.function);
    if (tool.type !== 'function' || textOf(name) === '') {
      throw new InvalidRequestError("Missing required parameter: 'tools[0].function'.", 'tools');
    }
    return { name: textOf(name), parameters: objectOf(parameters) };
  });
}

function toolChoiceOf(choice: unknown): ToolChoice {
  if (choice === 'none' || choice === 'required') return choice;
  const name = textOf(objectOf(objectOf(choice).function).name);
  return name === '' ? 'auto' : { name };
}

function jsonSchemaOf(format: JsonObject): JsonObject | undefined {
  if (format.type === 'json_object') return {};
  if (format.type !== 'json_schema') return undefined;
  const { name, schema } = objectOf(format.json_schema);
  if (textOf(name) === '') {
    throw new InvalidRequestError(
      "Missing required parameter: 'response_format.json_schema.name'.",
      'response_format.json_schema.name',
    );
  }
  return objectOf(schema);
}

/** Reads a body of `/v1/chat/completions`. */
export function parseChat(body: JsonObject): Conversation {
  const model = textOf(body.model);
  if (model === '') throw new InvalidRequestError('you must provide a model parameter');
  const messages = objectsOf(body.messages);
  if (messages.length === 0) {
    throw new InvalidRequestError("Missing required parameter: 'messages'.", 'messages');
  }
  const turns = turnsOf(messages);
  checkToolResults(
    turns,
    (id) =>
      "Messages with role 'tool' must follow an assistant message with 'tool_calls', one for " +
      `each 'tool_call_id': ${id}`,
  );
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer');
  return {
    model,
    stream: body.stream === true,
    system: system.map(({ content }) => contentText(content)).join('\n'),
    turns,
    tools: toolsOf(body),
    toolChoice: toolChoiceOf(body.tool_choice),
    parallelToolCalls: body.parallel_tool_calls !== false,
    jsonSchema: jsonSchemaOf(objectOf(body.response_format)),
    tokensMax: numberOf(body.max_completion_tokens) ?? numberOf(body.max_tokens),
    temperature: numberOf(body.temperature),
    stop: typeof body.stop === 'string' ? [body.stop] : arrayOf(body.stop).map(textOf),
    includeUsage: objectOf(body.stream_options).include_usage === true,
  };
}
