/**
 * Chat completions and their chunks, as far as the gateway reads or writes them. Reading is
 * lenient: providers change, and what they add must not break us.
 */
import { z } from 'zod';
import type { Citation } from './citation.ts';
import type { ReasoningDetail } from './reasoning-details.ts';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

const text = z.string().nullish();

const spokenContent = z
  .union([z.string(), z.array(z.looseObject({ type: z.string().nullish() }))])
  .nullish();

const calledFunction = z.looseObject({ name: text, arguments: text }).nullish();

/** A message of a whole answer or the delta of a chunk. */
const spoken = z.looseObject({
  content: spokenContent,
  reasoning_content: text,
  reasoning: text,
  refusal: text,
  reasoning_details: z.unknown().optional(),
  annotations: z.unknown().optional(),
  tool_calls: z
    .array(
      z.looseObject({
        index: z.number().int().nullish().catch(undefined),
        id: text.catch(undefined),
        function: calledFunction,
      }),
    )
    .nullish(),
  function_call: calledFunction,
});

const choice = z.looseObject({
  index: z.number().int().nullish(),
  finish_reason: text,
  /** The stop sequence that was met, as vLLM and servers made from it say. */
  stop_reason: z.unknown().optional(),
  message: spoken.nullish(),
  delta: spoken.nullish(),
});

/** A whole answer or a chunk of one, of any server that speaks this dialect. */
export const chatAnswer = z.looseObject({
  id: text.catch(undefined),
  model: text.catch(undefined),
  choices: z.array(choice).nullish(),
  usage: z.unknown().optional(),
  x_groq: z.looseObject({ usage: z.unknown().optional() }).nullish().catch(undefined),
});

export type ChatAnswer = z.infer<typeof chatAnswer>;
export type Spoken = z.infer<typeof spoken>;

export interface ToolCallAnswer {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
  /** What Google wants back with the call, in the place where its own compatible API has it. */
  readonly extra_content?: unknown;
}

export interface ChoiceAnswer {
  readonly index: number;
  readonly text: string;
  readonly reasoning: string;
  readonly refusal?: string | undefined;
  readonly toolCalls: readonly ToolCallAnswer[];
  readonly finishReason: FinishReason;
  /** The client's own stop sequence that ended the answer, where the provider tells. */
  readonly stopSequence?: string | undefined;
  /** What the provider wants back of its reasoning in a later turn. */
  readonly reasoningDetails?: readonly ReasoningDetail[] | undefined;
  readonly citations?: readonly Citation[] | undefined;
}

/** A whole answer on its way from another dialect. */
export interface WholeAnswer {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly ChoiceAnswer[];
}
