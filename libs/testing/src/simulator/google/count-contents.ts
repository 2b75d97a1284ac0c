import { type JsonObject, objectOf, textOf } from '../../json-value.ts';
import { inputTokens } from '../answer.ts';
import { InvalidRequestError } from '../conversation.ts';
import type { PlainReply } from '../vendor.ts';
import { parseContents } from './parse-contents.ts';

/** Answers a body of `countTokens`: contents, or a whole request, which must name the model. */
export function countContents(body: JsonObject, model: string): PlainReply {
  const whole = objectOf(body.generateContentRequest);
  const isWhole = Object.keys(whole).length > 0;
  if (isWhole && textOf(whole.model) !== `models/${model}`) {
    throw new InvalidRequestError('generateContentRequest.model: unexpected model name format');
  }
  const tokens = inputTokens(parseContents(isWhole ? whole : body, model, false));
  const promptTokensDetails = [{ modality: 'TEXT', tokenCount: tokens }];
  return { model, reply: { totalTokens: tokens, promptTokensDetails }, inputTokens: 0 };
}
