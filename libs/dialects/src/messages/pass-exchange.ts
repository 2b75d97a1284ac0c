import { AnswerRecord } from '../answer-record.ts';
import { badAnswer, readAnswerJson } from '../chat/read-answer.ts';
import type { Exchange, ExchangeOptions } from '../exchange.ts';
import { decodeUtf8, type JsonObject, readJson } from '../json/read-json.ts';
import { spliceMembers } from '../json/splice-members.ts';
import { EVENT_STREAM, JSON_TYPE } from '../media-types.ts';
import { providerError } from '../provider-error.ts';
import { errorInMessagesAnswer, saidInMessagesError } from './error.ts';
import { API_VERSION, type ApiBlock, apiMessage } from './messages-api.ts';
import { PassingMessageStream } from './pass-stream.ts';
import { finishReasonFromMessages } from './stop-reason.ts';
import { usageFromMessages } from './usage.ts';

/**
 * Messages on both sides: bytes pass, and so do the client's version of the API and its beta flags,
 * which say how both are to be read.
 */
export function openPassingMessages(options: ExchangeOptions): Exchange {
  const { model, stream, headers = {} } = options;
  const record = new AnswerRecord();
  const contentType = stream ? EVENT_STREAM : JSON_TYPE;
  const beta = headers['anthropic-beta'];
  return {
    request: {
      path: '/v1/messages',
      headers: {
        'content-type': JSON_TYPE,
        accept: contentType,
        'anthropic-version': headers['anthropic-version'] ?? API_VERSION,
        ...(beta !== undefined && { 'anthropic-beta': beta }),
      },
      body: spliceMembers(options.body, { model: () => JSON.stringify(model) }),
    },
    contentType,
    facts: record,
    answer: (body) => {
      noteMessage(readAnswerJson(body), record);
      return body;
    },
    stream: () => new PassingMessageStream(record),
    error: (status, answerHeaders, body) =>
      providerError({
        ...saidInMessagesError(readJson(decodeUtf8(body))),
        status,
        headers: answerHeaders,
      }),
  };
}

function noteMessage(value: unknown, record: AnswerRecord): void {
  const error = errorInMessagesAnswer(value);
  if (error !== undefined) throw error;
  const result = apiMessage.safeParse(value);
  if (!result.success) throw badAnswer('the answer is not a message');
  const { id, model, content, usage, stop_reason: stopReason } = result.data;
  record.name(id, model);
  record.count(usageFromMessages(usage));
  record.finish(0, finishReasonFromMessages(stopReason));
  for (const block of content) record.outputCharacters += charactersOf(block);
}

function charactersOf({ text, thinking, input }: ApiBlock): number {
  const called = input === undefined ? '' : JSON.stringify(input as JsonObject);
  return (text ?? '').length + (thinking ?? '').length + called.length;
}
