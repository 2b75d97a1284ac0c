/** What the simulated model says: a pure function of the request, so that tests can foresee it. */
import { createHash } from 'node:crypto';
import { type Conversation, lastUserText, type Tool, type ToolCall } from './conversation.ts';
import { type Directives, withoutDirectives } from './directives.ts';
import { sampleJson } from './sample-json.ts';

const CHARACTERS_PER_TOKEN = 4;
const TOKENS_PER_IMAGE = 85;
const TOKENS_PER_TURN = 3;
const TOKENS_PER_TOOL_CALL = 10;
const CALLS_MAX = 16;
/** A word with the space before it; a long one in pieces of twelve characters. */
const PIECE = /\s*\S{1,12}\s*$|\s*\S{1,12}/gu;

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Tokens. Cached ones are part of the input, those of reasoning part of the output. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly reasoning: number;
}

export interface Answer {
  /** The text in the pieces that a stream sends, one for each token. */
  readonly pieces: readonly string[];
  readonly toolCalls: readonly ToolCall[];
  readonly finish: FinishReason;
  readonly usage: Usage;
}

function callArguments(tool: Tool, textAfterName: string): unknown {
  const given = /^\s*(\{[^{}]*\})/.exec(textAfterName)?.[1];
  if (given === undefined) return sampleJson(tool.parameters);
  try {
    return JSON.parse(given);
  } catch {
    return sampleJson(tool.parameters);
  }
}

/** The tools that the text names after the word "call", in that order; a tool may come twice. */
function namedCalls(tools: readonly Tool[], text: string): { tool: Tool; rest: string }[] {
  const start = /\bcall\b/i.exec(text)?.index;
  if (start === undefined) return [];
  const wanted = text.slice(start + 'call'.length);
  const calls: { tool: Tool; rest: string }[] = [];
  for (const match of wanted.matchAll(/[\w-]+/g)) {
    const tool = tools.find(({ name }) => name === match[0]);
    if (tool !== undefined) calls.push({ tool, rest: wanted.slice(match.index + match[0].length) });
  }
  return calls.slice(0, CALLS_MAX);
}

function toolCallsOf(conversation: Conversation, idPrefix: string): ToolCall[] {
  const { tools, toolChoice, turns } = conversation;
  const last = turns.at(-1);
  if (tools.length === 0 || toolChoice === 'none' || last?.role !== 'user') return [];
  const forced = typeof toolChoice === 'object' ? toolChoice.name : undefined;
  if (last.toolResults.length > 0 && forced === undefined) return [];
  let calls = namedCalls(tools, last.text);
  if (forced !== undefined) calls = calls.filter(({ tool }) => tool.name === forced);
  if (calls.length === 0 && toolChoice !== 'auto') {
    const tool = tools.find(({ name }) => name === forced) ?? tools[0];
    if (tool !== undefined) calls = [{ tool, rest: '' }];
  }
  if (!conversation.parallelToolCalls) calls = calls.slice(0, 1);
  const digest = createHash('sha256').update(JSON.stringify(turns)).digest('hex').slice(0, 20);
  return calls.map(({ tool, rest }, index) => ({
    id: `${idPrefix}${digest}${index}`,
    name: tool.name,
    arguments: callArguments(tool, rest),
  }));
}

function plainText(conversation: Conversation, directives: Directives): string {
  if (directives.showRequest) return JSON.stringify(conversation);
  if (directives.tokens !== undefined) {
    return Array.from({ length: directives.tokens }, (_, index) => `word${index + 1}`).join(' ');
  }
  const results = conversation.turns.at(-1)?.toolResults ?? [];
  if (results.length > 0) return `Tool result: ${results.map(({ text }) => text).join(' | ')}`;
  const echo = withoutDirectives(lastUserText(conversation));
  if (conversation.jsonSchema !== undefined) {
    const hasSchema = Object.keys(conversation.jsonSchema).length > 0;
    return JSON.stringify(hasSchema ? sampleJson(conversation.jsonSchema) : { echo });
  }
  const images = conversation.turns.reduce((sum, turn) => sum + turn.images, 0);
  return `Echo: ${echo}${images === 0 ? '' : ` (images: ${images})`}`;
}

/** Tokens of the whole input, by an estimate that never changes. */
export function inputTokens(conversation: Conversation): number {
  let characters = conversation.system.length + JSON.stringify(conversation.tools).length - 2;
  let tokens = 0;
  for (const turn of conversation.turns) {
    const tools = JSON.stringify([...turn.toolCalls, ...turn.toolResults]);
    characters += turn.text.length + tools.length - 2;
    tokens += TOKENS_PER_TURN + turn.images * TOKENS_PER_IMAGE;
  }
  return tokens + Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

/** The answer to a conversation. `idPrefix` is the vendor's for the ids of tool calls. */
export function answerTo(
  conversation: Conversation,
  directives: Directives,
  idPrefix: string,
): Answer {
  const toolCalls = toolCallsOf(conversation, idPrefix);
  const nonce = directives.nonce === undefined ? '' : ` [${directives.nonce}]`;
  const text = toolCalls.length > 0 ? '' : plainText(conversation, directives) + nonce;
  const all = text.match(PIECE) ?? [];
  const tokensMax = conversation.tokensMax ?? Number.POSITIVE_INFINITY;
  const pieces = all.slice(0, tokensMax);
  let finish: FinishReason = toolCalls.length > 0 ? 'tool_calls' : 'stop';
  if (pieces.length < all.length) finish = 'length';
  const reasoning = directives.reasoningTokens ?? 0;
  const input = inputTokens(conversation);
  return {
    pieces,
    toolCalls,
    finish: directives.finish ?? finish,
    usage: {
      input,
      output: pieces.length + toolCalls.length * TOKENS_PER_TOOL_CALL + reasoning,
      cached: Math.min(directives.cachedTokens ?? 0, input),
      reasoning,
    },
  };
}
