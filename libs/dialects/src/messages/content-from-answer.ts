import type { ChoiceAnswer, ToolCallAnswer } from '../chat/chat-answer.ts';
import type { Citation } from '../chat/citation.ts';
import { isObject, type JsonObject, readJson } from '../json/read-json.ts';
import { writeOwned } from './foreign-reasoning.ts';

/** A choice as the blocks of a message: thoughts first, then what is said, then calls. */
export function contentFromChoice(choice: ChoiceAnswer): JsonObject[] {
  const { text, refusal, citations = [] } = choice;
  const said = `${text}${refusal ?? ''}`;
  const sources = citations.length > 0 && { citations: citations.map(citationToMessages) };
  return [
    ...reasoningBlocks(choice),
    ...(said === '' ? [] : [{ type: 'text', text: said, ...sources }]),
    ...choice.toolCalls.map(toolUseBlock),
  ];
}

/** Thoughts that nothing proves stand in a block with an empty signature. */
function reasoningBlocks({ reasoning, reasoningDetails = [] }: ChoiceAnswer): JsonObject[] {
  const isTold = reasoningDetails.some((detail) => detail.type === 'reasoning.text');
  const untold =
    isTold || reasoning === '' ? [] : [{ type: 'thinking', thinking: reasoning, signature: '' }];
  return [
    ...untold,
    ...reasoningDetails.map((detail) => {
      if (detail.type === 'reasoning.encrypted') {
        return { type: 'redacted_thinking', data: writeOwned({ ...detail, text: detail.data }) };
      }
      const { text, signature, format } = detail;
      return {
        type: 'thinking',
        thinking: text,
        signature: writeOwned({ format, text: signature }),
      };
    }),
  ];
}

/** Arguments that were cut at the limit of tokens are no object: the call keeps their text. */
function toolUseBlock(call: ToolCallAnswer): JsonObject {
  const { name, arguments: text } = call.function;
  const input = readJson(text);
  return {
    ...toolUseStart(call),
    name,
    input: isObject(input) ? input : text.trim() === '' ? {} : { partial_json: text },
  };
}

/** The block as a stream begins it, without its input. */
export function toolUseStart({ id, function: called, extra_content }: ToolCallAnswer): JsonObject {
  return {
    type: 'tool_use',
    id,
    name: called.name,
    input: {},
    // Google's signature: clients give a block back as it came.
    ...(extra_content !== undefined && { extra_content }),
  };
}

export function citationToMessages({ url, title }: Citation): JsonObject {
  return {
    type: 'web_search_result_location',
    url,
    title,
    cited_text: '',
    encrypted_index: '',
  };
}
