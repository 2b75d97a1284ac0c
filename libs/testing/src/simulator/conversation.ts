/** A request of any vendor, as the simulator understands it. */
import type { JsonObject } from '../json-value.ts';

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: unknown;
}

export interface ToolResult {
  readonly id: string;
  readonly text: string;
}

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly images: number;
  readonly toolCalls: readonly ToolCall[];
  readonly toolResults: readonly ToolResult[];
}

export interface Tool {
  readonly name: string;
  readonly parameters: JsonObject;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

export interface Conversation {
  readonly model: string;
  readonly stream: boolean;
  readonly system: string;
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  /** The schema of a JSON answer; an empty one for any JSON; undefined for text. */
  readonly jsonSchema: JsonObject | undefined;
  readonly tokensMax: number | undefined;
  readonly temperature: number | undefined;
  readonly stop: readonly string[];
  /** Whether a stream reports usage. */
  readonly includeUsage: boolean;
}

/** What the real vendor would refuse with 400. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError';
  readonly parameter: string | null;

  constructor(message: string, parameter: string | null = null) {
    super(message);
    this.parameter = parameter;
  }
}

/** The text of the last user turn that is not a tool result. */
export function lastUserText(conversation: Conversation): string {
  const turn = conversation.turns.findLast(({ role, text }) => role === 'user' && text !== '');
  return turn?.text ?? '';
}

/** Every id that a result answers must be one of the calls in the turn before it. */
export function checkToolResults(turns: readonly Turn[], complaint: (id: string) => string): void {
  turns.forEach((turn, index) => {
    const asked = new Set(turns[index - 1]?.toolCalls.map(({ id }) => id));
    const stray = turn.toolResults.find(({ id }) => !asked.has(id));
    if (stray !== undefined) throw new InvalidRequestError(complaint(stray.id), 'messages');
    const answered = new Set(turn.toolResults.map(({ id }) => id));
    const open = [...asked].find((id) => !answered.has(id));
    if (open !== undefined) throw new InvalidRequestError(complaint(open), 'messages');
  });
}
