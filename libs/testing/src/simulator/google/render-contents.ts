import type { JsonObject } from '../../json-value.ts';
import type { FinishReason, Usage } from '../answer.ts';
import type { AnswerContext, StreamEvent } from '../vendor.ts';

/** A call of a function ends with STOP too. */
const finishReasons: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  length: 'MAX_TOKENS',
  tool_calls: 'STOP',
  content_filter: 'SAFETY',
};

/** Google counts thoughts apart from the candidates, and the cached tokens within the prompt. */
function usageOf({ input, output, cached, reasoning }: Usage): JsonObject {
  return {
    promptTokenCount: input,
    candidatesTokenCount: output - reasoning,
    totalTokenCount: input + output,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: input }],
    ...(cached > 0 && { cachedContentTokenCount: cached }),
    ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
  };
}

function partsOf({ answer }: AnswerContext): JsonObject[] {
  const signature = Buffer.from('simulated thought').toString('base64');
  // Only the first call of an answer carries the signature of the thought behind it.
  return answer.toolCalls.map(({ name, arguments: args }, index) => ({
    functionCall: { name, args },
    ...(index === 0 && { thoughtSignature: signature }),
  }));
}

function response(
  context: AnswerContext,
  parts: readonly JsonObject[],
  usage: Usage | undefined,
  finish: FinishReason | undefined,
): JsonObject {
  const content = parts.length === 0 ? { role: 'model' } : { parts, role: 'model' };
  return {
    candidates: [{ content, ...(finish && { finishReason: finishReasons[finish] }), index: 0 }],
    ...(usage && { usageMetadata: usageOf(usage) }),
    modelVersion: context.conversation.model,
    responseId: context.id,
  };
}

/** The body of a `GenerateContentResponse`. */
export function contentResponse(context: AnswerContext): JsonObject {
  const { answer, withUsage } = context;
  const text = answer.pieces.join('');
  const parts = [...(text === '' ? [] : [{ text }]), ...partsOf(context)];
  return response(context, parts, withUsage ? answer.usage : undefined, answer.finish);
}

/** The frame of an event, with line ends as Google sends them. */
export function crlfEvent(payload: string): string {
  return `data: ${payload}\r\n\r\n`;
}

/** The events of `streamGenerateContent?alt=sse`; there is no end marker but the finish reason. */
export function contentEvents(context: AnswerContext): StreamEvent[] {
  const { answer, withUsage } = context;
  const calls = partsOf(context);
  const groups = [
    ...answer.pieces.map((text) => [{ text }]),
    ...(calls.length === 0 && answer.pieces.length > 0 ? [] : [calls]),
  ];
  return groups.map((parts, index) => {
    const isLast = index === groups.length - 1;
    const soFar = { ...answer.usage, output: Math.min(index + 1, answer.usage.output) };
    const usage = isLast ? answer.usage : { ...soFar, reasoning: 0 };
    const body = response(
      context,
      parts,
      withUsage ? usage : undefined,
      isLast ? answer.finish : undefined,
    );
    return { wire: crlfEvent(JSON.stringify(body)), hasUsage: isLast && withUsage };
  });
}
