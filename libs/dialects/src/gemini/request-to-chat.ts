import type { ChatRequest } from '../chat/chat-request.ts';
import { invalidField, invalidFieldOf } from '../chat/invalid-field.ts';
import type { JsonObject } from '../json/read-json.ts';
import { camelNames } from './camel-names.ts';
import { messagesFromContents, textOfInstruction } from './contents-to-chat.ts';
import { type GenerateRequest, generateRequest, type RequestTool } from './generate-request.ts';
import { generationConfigToChat } from './generation-config-to-chat.ts';
import { jsonSchemaFrom } from './json-schema.ts';
import { refuseUntranslatable, unsupported } from './support.ts';

type ChatTool = NonNullable<ChatRequest['tools']>[number];

/** Checks a body of generateContent. Throws `invalid_request`, naming the field. */
export function readGenerateRequest(value: unknown): GenerateRequest {
  const result = generateRequest.safeParse(camelNames(value), { reportInput: true });
  if (!result.success) throw invalidFieldOf(result.error);
  return result.data;
}

/**
 * A client's generateContent request as a chat completion. Safety settings are dropped: no other
 * vendor has them. Throws `invalid_request`, naming the field, for what only Google can do.
 */
export function geminiRequestToChat(value: unknown): ChatRequest {
  const request = readGenerateRequest(value);
  refuseUntranslatable(request);
  const { systemInstruction } = request;
  const instruction =
    systemInstruction == null ? '' : textOfInstruction(systemInstruction, 'systemInstruction');
  const tools = toolsOf(request);
  return {
    // The model is in the address; who asks the provider knows its name there.
    model: '',
    messages: [
      ...(instruction === '' ? [] : [{ role: 'system' as const, content: instruction }]),
      ...messagesFromContents(request.contents),
    ],
    ...(tools.length > 0 && { tools, ...toolChoiceOf(request) }),
    ...generationConfigToChat(request),
  };
}

function toolsOf({ tools, toolConfig }: GenerateRequest): ChatTool[] {
  const declared = (tools ?? []).flatMap((tool, index) => {
    refuseOwnTools(tool, `tools[${index}]`);
    return (tool.functionDeclarations ?? []).map(toolToChat);
  });
  // Of other vendors a choice among several can be had by offering these alone.
  const allowed = toolConfig?.functionCallingConfig?.allowedFunctionNames ?? [];
  if (allowed.length === 0) return declared;
  return declared.filter(({ function: declaration }) => allowed.includes(declaration?.name ?? ''));
}

function refuseOwnTools(tool: RequestTool, path: string): void {
  const own = Object.entries(tool).find(
    ([name, value]) => name !== 'functionDeclarations' && value !== null && value !== undefined,
  );
  if (own !== undefined) throw unsupported(`${path}.${own[0]}`);
}

function toolToChat(
  declaration: NonNullable<RequestTool['functionDeclarations']>[number],
): ChatTool {
  const { name, description, parameters, parametersJsonSchema } = declaration;
  const schema: JsonObject | undefined =
    parametersJsonSchema ?? (parameters == null ? undefined : jsonSchemaFrom(parameters));
  return {
    type: 'function',
    function: {
      name,
      ...(description && { description }),
      ...(schema !== undefined && { parameters: schema }),
    },
  };
}

function toolChoiceOf({ toolConfig }: GenerateRequest): Pick<ChatRequest, 'tool_choice'> {
  const config = toolConfig?.functionCallingConfig;
  const allowed = config?.allowedFunctionNames ?? [];
  switch (config?.mode?.toUpperCase() ?? 'MODE_UNSPECIFIED') {
    case 'MODE_UNSPECIFIED':
      return {};
    case 'NONE':
      return { tool_choice: 'none' };
    case 'AUTO':
    case 'VALIDATED':
      return { tool_choice: 'auto' };
    case 'ANY':
      return allowed.length === 1 && allowed[0] !== undefined
        ? { tool_choice: { type: 'function', function: { name: allowed[0] } } }
        : { tool_choice: 'required' };
    default: {
      const param = 'toolConfig.functionCallingConfig.mode';
      throw invalidField(param, `Invalid '${param}': expected AUTO, ANY, NONE or VALIDATED.`);
    }
  }
}
