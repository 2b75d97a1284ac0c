/** @see https://ai.google.dev/api/generate-content */

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
  InvalidRequestError,
  type Tool,
  type ToolChoice,
  type Turn,
} from '../conversation.ts';

function partsText(parts: unknown): string {
  const list = isObject(parts) ? [parts] : objectsOf(parts);
  return list
    .filter(({ thought }) => thought !== true)
    .map(({ text }) => textOf(text))
    .filter(Boolean)
    .join('\n');
}

function isImage(part: JsonObject): boolean {
  const blob = objectOf(part.inlineData ?? part.inline_data ?? part.fileData ?? part.file_data);
  return /^image\//.test(textOf(blob.mimeType ?? blob.mime_type));
}

function callName(call: unknown): string {
  return textOf(objectOf(call).name);
}

/** Calls have no ids here: they are paired with their answers by place and name. */
function turnOf(content: JsonObject, index: number): Turn {
  const role = content.role ?? 'user';
  if (role !== 'user' && role !== 'model' && role !== 'function') {
    throw new InvalidRequestError('Please use a valid role: user, model.');
  }
  const parts = objectsOf(content.parts);
  if (parts.length === 0) {
    throw new InvalidRequestError(`contents[${index}].parts must not be empty.`);
  }
  const calls = parts.filter((part) => isObject(part.functionCall));
  const responses = parts.filter((part) => isObject(part.functionResponse));
  const id = (given: unknown, place: number) =>
    textOf(objectOf(given).id) || `${place}:${callName(given)}`;
  return {
    role: role === 'model' ? 'assistant' : 'user',
    text: partsText(parts),
    images: parts.filter(isImage).length,
    toolCalls: calls.map(({ functionCall: call }, place) => ({
      id: id(call, place),
      name: callName(call),
      arguments: objectOf(call).args ?? {},
    })),
    toolResults: responses.map(({ functionResponse: response }, place) => {
      const value = objectOf(response).response;
      if (!isObject(value)) {
        throw new InvalidRequestError('function_response.response must be an object.');
      }
      const [only, ...more] = Object.values(value);
      const isText = typeof only === 'string' && more.length === 0;
      return { id: id(response, place), text: isText ? only : JSON.stringify(value) };
    }),
  };
}

function checkResponses(turns: readonly Turn[]): void {
  turns.forEach((turn, index) => {
    const calls = turns[index - 1]?.toolCalls.length ?? 0;
    if (turn.role === 'user' && turn.toolResults.length !== calls) {
      throw new InvalidRequestError(
        'Please ensure that the number of function response parts is equal to the number of ' +
          'function call parts of the function call turn.',
      );
    }
  });
}

function toolsOf(body: JsonObject): Tool[] {
  const declarations = objectsOf(body.tools).flatMap((tool) =>
    objectsOf(tool.functionDeclarations ?? tool.function_declarations),
  );
  return declarations.map((declaration) => ({
    name: textOf(declaration.name),
    parameters: objectOf(declaration.parameters ?? declaration.parametersJsonSchema),
  }));
}

function toolChoiceOf(body: JsonObject): ToolChoice {
  const config = objectOf(objectOf(body.toolConfig).functionCallingConfig);
  const [name] = arrayOf(config.allowedFunctionNames);
  if (config.mode === 'NONE') return 'none';
  if (config.mode !== 'ANY') return 'auto';
  return typeof name === 'string' ? { name } : 'required';
}

/** Reads a body of `generateContent` or `streamGenerateContent`. */
export function parseContents(body: JsonObject, model: string, stream: boolean): Conversation {
  const contents = objectsOf(body.contents);
  if (contents.length === 0) {
    throw new InvalidRequestError('GenerateContentRequest.contents: contents is not specified');
  }
  const turns = contents.map(turnOf);
  checkResponses(turns);
  const settings = objectOf(body.generationConfig ?? body.generation_config);
  const schema = settings.responseJsonSchema ?? settings.responseSchema;
  const instruction = objectOf(body.systemInstruction ?? body.system_instruction);
  return {
    model,
    stream,
    system: partsText(instruction.parts),
    turns,
    tools: toolsOf(body),
    toolChoice: toolChoiceOf(body),
    parallelToolCalls: true,
    jsonSchema: settings.responseMimeType === 'application/json' ? objectOf(schema) : undefined,
    tokensMax: numberOf(settings.maxOutputTokens),
    temperature: numberOf(settings.temperature),
    stop: arrayOf(settings.stopSequences).map(textOf),
    includeUsage: true,
  };
}
