/**
 * The tools of a response as functions, which is all that other vendors know.
 *
 * A namespace becomes its functions under joined names. A custom tool, which takes free text,
 * becomes a function with one parameter for it. Tools that OpenAI runs itself have no counterpart
 * and are refused.
 */
import { TOOL_NAME_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import type { ResponsesRequest, ResponsesTool } from './responses-request.ts';

/** What a function stands for in the client's terms. */
export interface ToolIdentity {
  readonly kind: 'function' | 'custom';
  readonly name: string;
  readonly namespace?: string | undefined;
}

export interface TranslatedTools {
  readonly tools: readonly JsonObject[];
  /** By the function's name; a name that is not here is a function's own. */
  readonly identities: ReadonlyMap<string, ToolIdentity>;
}

/** The one parameter of a function that stands for a custom tool. */
export const CUSTOM_INPUT = 'input';

const FUNCTION_NAME = /[^a-zA-Z0-9_-]/g;

/** The name of a namespace's function where there are only functions. */
export function joinedName(name: string, namespace: string | null | undefined): string {
  if (!namespace) return name;
  const joined = `${namespace}__${name}`.replace(FUNCTION_NAME, '_');
  return joined.slice(0, TOOL_NAME_CHARACTERS_MAX);
}

export function toolsToChat(tools: ResponsesRequest['tools']): TranslatedTools {
  const translated: JsonObject[] = [];
  const identities = new Map<string, ToolIdentity>();
  const add = (tool: ResponsesTool, path: string, namespace?: string) => {
    const name = joinedName(nameOf(tool, path), namespace);
    if (identities.has(name)) {
      throw invalidField(path, `Invalid '${path}': another tool has the same name.`);
    }
    const kind = tool.type === 'custom' ? 'custom' : 'function';
    identities.set(name, { kind, name: tool.name ?? name, namespace });
    translated.push({ type: 'function', function: functionOf(tool, name) });
  };
  for (const [index, tool] of (tools ?? []).entries()) {
    const path = `tools[${index}]`;
    if (tool.type === 'function' || tool.type === 'custom') add(tool, path);
    else if (tool.type === 'namespace') {
      const name = nameOf(tool, path);
      for (const [number, member] of membersOf(tool, path).entries()) {
        add(member, `${path}.tools[${number}]`, name);
      }
    } else if (!isOffline(tool)) throw refuseHosted(tool.type, `${path}.type`);
  }
  return { tools: translated, identities };
}

export function refuseHosted(type: string, path: string): Error {
  return invalidField(
    path,
    `Unsupported tool '${type.slice(0, 64)}': models of this provider take function tools alone.`,
    'unsupported_value',
  );
}

/**
 * A search that must not look at the web is no more than a hint; clients send it in every request.
 */
function isOffline(tool: ResponsesTool): boolean {
  return tool.type === 'web_search' && tool.external_web_access === false;
}

function membersOf(tool: ResponsesTool, path: string): readonly ResponsesTool[] {
  const members = Array.isArray(tool.tools) ? tool.tools : [];
  return members.map((member: unknown, number) => {
    const type = isObject(member) ? String(member.type) : 'unknown';
    if (type === 'function' || type === 'custom') return member as ResponsesTool;
    throw refuseHosted(type, `${path}.tools[${number}].type`);
  });
}

function nameOf({ name }: ResponsesTool, path: string): string {
  if (typeof name === 'string' && name !== '') return name;
  const field = `${path}.name`;
  throw invalidField(
    field,
    `Missing required parameter: '${field}'.`,
    'missing_required_parameter',
  );
}

function functionOf(tool: ResponsesTool, name: string): JsonObject {
  if (tool.type === 'custom') return customFunction(tool, name);
  return {
    name,
    ...(tool.description != null && { description: tool.description }),
    ...(tool.parameters != null && { parameters: tool.parameters }),
    ...(tool.strict != null && { strict: tool.strict }),
  };
}

function customFunction({ description, format }: ResponsesTool, name: string): JsonObject {
  const grammar = isObject(format) && typeof format.definition === 'string' ? format : undefined;
  const rule =
    grammar && `The input follows this ${String(grammar.syntax)} grammar:\n${grammar.definition}`;
  return {
    name,
    description: [description, rule].filter(Boolean).join('\n\n'),
    parameters: {
      type: 'object',
      properties: { [CUSTOM_INPUT]: { type: 'string', description: 'The whole input, as text.' } },
      required: [CUSTOM_INPUT],
      additionalProperties: false,
    },
  };
}

/** A choice of tools, and the names that are left of them where it says which are allowed. */
export function toolChoiceToChat(choice: ResponsesRequest['tool_choice']): {
  readonly toolChoice?: unknown;
  readonly allowed?: ReadonlySet<string>;
} {
  if (choice == null) return {};
  if (typeof choice === 'string') return { toolChoice: choice };
  if ((choice.type === 'function' || choice.type === 'custom') && choice.name) {
    const namespace = typeof choice.namespace === 'string' ? choice.namespace : undefined;
    const name = joinedName(choice.name, namespace);
    return { toolChoice: { type: 'function', function: { name } } };
  }
  if (choice.type !== 'allowed_tools' || !Array.isArray(choice.tools)) {
    throw refuseHosted(choice.type, 'tool_choice.type');
  }
  const names = choice.tools.map((tool: unknown, index) => {
    if (isObject(tool) && typeof tool.name === 'string') {
      return joinedName(tool.name, typeof tool.namespace === 'string' ? tool.namespace : undefined);
    }
    const type = isObject(tool) ? String(tool.type) : 'unknown';
    throw refuseHosted(type, `tool_choice.tools[${index}].type`);
  });
  const mode = choice.mode === 'required' ? 'required' : 'auto';
  return { toolChoice: mode, allowed: new Set(names) };
}
