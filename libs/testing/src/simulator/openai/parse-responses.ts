/** @see https://platform.openai.com/docs/api-reference/responses/create */

import { type JsonObject, numberOf, objectOf, objectsOf, textOf } from '../../json-value.ts';
import {
  type Conversation,
  checkToolResults,
  InvalidRequestError,
  type Tool,
  type ToolChoice,
  type Turn,
} from '../conversation.ts';
import type { KeptResponses } from './kept-responses.ts';

const nothing = { text: '', images: 0, toolCalls: [], toolResults: [] };

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return objectsOf(content)
    .map((part) => textOf(part.text))
    .filter(Boolean)
    .join('\n');
}

function contentImages(content: unknown): number {
  const images = objectsOf(content).filter(({ type }) => type === 'input_image');
  for (const { image_url: url } of images) {
    if (!/^(https?:|data:image\/)/.test(textOf(url))) {
      throw new InvalidRequestError('Invalid image URL.', 'input');
    }
  }
  return images.length;
}

function callArguments(item: JsonObject): unknown {
  try {
    return JSON.parse(textOf(item.arguments) || '{}');
  } catch {
    throw new InvalidRequestError('The arguments of a function call are not JSON.', 'input');
  }
}

function messageTurn({ role, content }: JsonObject, index: number): Turn | undefined {
  if (role === 'system' || role === 'developer') return undefined;
  if (role !== 'user' && role !== 'assistant') {
    throw new InvalidRequestError(`Invalid value: '${textOf(role)}'.`, `input[${index}].role`);
  }
  return { ...nothing, role, text: contentText(content), images: contentImages(content) };
}

function turnOf(item: JsonObject, index: number): Turn | undefined {
  switch (item.type ?? 'message') {
    case 'message':
      return messageTurn(item, index);
    case 'function_call': {
      const call = { id: textOf(item.call_id), name: textOf(item.name) };
      const toolCalls = [{ ...call, arguments: callArguments(item) }];
      return { ...nothing, role: 'assistant', toolCalls };
    }
    case 'function_call_output': {
      const toolResults = [{ id: textOf(item.call_id), text: contentText(item.output) }];
      return { ...nothing, role: 'user', toolResults };
    }
    case 'reasoning':
      return undefined;
    default:
      throw new InvalidRequestError(
        `Invalid value: '${textOf(item.type)}'.`,
        `input[${index}].type`,
      );
  }
}

/** What the model says and calls in a row is one turn, and so are the results. */
function turnsOf(items: readonly JsonObject[]): Turn[] {
  const turns: Turn[] = [];
  items.forEach((item, index) => {
    const turn = turnOf(item, index);
    if (turn === undefined) return;
    const last = turns.at(-1);
    const isCall = turn.toolCalls.length > 0 && last?.role === 'assistant';
    const isResult = turn.toolResults.length > 0 && (last?.toolResults.length ?? 0) > 0;
    if (last === undefined || !(isCall || isResult)) {
      turns.push(turn);
      return;
    }
    turns[turns.length - 1] = {
      ...last,
      toolCalls: [...last.toolCalls, ...turn.toolCalls],
      toolResults: [...last.toolResults, ...turn.toolResults],
    };
  });
  return turns;
}

function toolsOf(body: JsonObject): Tool[] {
  return objectsOf(body.tools)
    .filter(({ type }) => type === 'function')
    .map(({ name, parameters }, index) => {
      if (textOf(name) === '') {
        const parameter = `tools[${index}].name`;
        throw new InvalidRequestError(`Missing required parameter: '${parameter}'.`, parameter);
      }
      return { name: textOf(name), parameters: objectOf(parameters) };
    });
}

function toolChoiceOf(choice: unknown): ToolChoice {
  if (choice === 'none' || choice === 'required') return choice;
  const name = textOf(objectOf(choice).name);
  return name === '' ? 'auto' : { name };
}

function jsonSchemaOf(format: JsonObject): JsonObject | undefined {
  if (format.type === 'json_object') return {};
  if (format.type !== 'json_schema') return undefined;
  if (textOf(format.name) === '') {
    const parameter = 'text.format.name';
    throw new InvalidRequestError(`Missing required parameter: '${parameter}'.`, parameter);
  }
  return objectOf(format.schema);
}

/** The items of the input alone. */
export function inputItems({ input }: JsonObject): readonly JsonObject[] {
  return typeof input === 'string' ? [{ role: 'user', content: input }] : objectsOf(input);
}

/** Reads a body of `/v1/responses`. Throws `InvalidRequestError`. */
export function parseResponses(body: JsonObject, kept: KeptResponses): Conversation {
  const model = textOf(body.model);
  if (model === '') {
    throw new InvalidRequestError("Missing required parameter: 'model'.", 'model');
  }
  const before = textOf(body.previous_response_id);
  const own = inputItems(body).map((item) =>
    item.type === 'item_reference' ? kept.item(textOf(item.id)) : item,
  );
  const items = [...(before === '' ? [] : kept.conversation(before)), ...own];
  if (items.length === 0) {
    throw new InvalidRequestError("Missing required parameter: 'input'.", 'input');
  }
  const turns = turnsOf(items);
  checkToolResults(turns, (id) => `No tool output found for function call ${id}.`);
  const system = items.filter(({ role }) => role === 'system' || role === 'developer');
  const texts = [textOf(body.instructions), ...system.map(({ content }) => contentText(content))];
  return {
    model,
    stream: body.stream === true,
    system: texts.filter(Boolean).join('\n'),
    turns,
    tools: toolsOf(body),
    toolChoice: toolChoiceOf(body.tool_choice),
    parallelToolCalls: body.parallel_tool_calls !== false,
    jsonSchema: jsonSchemaOf(objectOf(objectOf(body.text).format)),
    tokensMax: numberOf(body.max_output_tokens),
    temperature: numberOf(body.temperature),
    stop: [],
    includeUsage: true,
  };
}
