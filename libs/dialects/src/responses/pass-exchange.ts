import { AnswerRecord } from '../answer-record.ts';
import { saidInChatError } from '../chat/error.ts';
import { readAnswerJson } from '../chat/read-answer.ts';
import type { Exchange, ExchangeOptions } from '../exchange.ts';
import { memberText } from '../json/find-members.ts';
import { decodeUtf8, readJson } from '../json/read-json.ts';
import { type MemberEdit, spliceMembers } from '../json/splice-members.ts';
import { EVENT_STREAM, JSON_TYPE } from '../media-types.ts';
import { providerError } from '../provider-error.ts';
import { KeptState } from './kept-state.ts';
import { noteWholeResponse } from './note-response.ts';
import { PassingResponseStream } from './pass-stream.ts';

/**
 * Responses on both sides: bytes pass. Where the provider keeps the response, the client gets an id
 * of ours for it.
 */
export function openPassingResponses(options: ExchangeOptions): Exchange {
  const { body, model, stream } = options;
  const record = new AnswerRecord();
  const contentType = stream ? EVENT_STREAM : JSON_TYPE;
  const state = options.state && new KeptState(options.state);
  const sealing = memberText(body, 'store') === 'false' ? undefined : state;
  const previous: MemberEdit = (present) => {
    const id = readJson(present);
    return typeof id === 'string' && state ? JSON.stringify(state.open(id)) : undefined;
  };
  const edits = { model: () => JSON.stringify(model), previous_response_id: previous };
  return {
    request: {
      path: '/responses',
      headers: { 'content-type': JSON_TYPE, accept: contentType },
      body: spliceMembers(body, edits),
    },
    contentType,
    facts: record,
    answer: (bytes) => {
      noteWholeResponse(readAnswerJson(bytes), record);
      return sealing?.sealResponse(bytes) ?? bytes;
    },
    stream: () => new PassingResponseStream(record, sealing),
    error: (status, headers, bytes) =>
      providerError({ ...saidInChatError(readJson(decodeUtf8(bytes))), status, headers }),
  };
}
