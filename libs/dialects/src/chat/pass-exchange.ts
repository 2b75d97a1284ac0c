import { AnswerRecord } from '../answer-record.ts';
import type { Exchange, ExchangeOptions } from '../exchange.ts';
import { decodeUtf8, isObject, readJson } from '../json/read-json.ts';
import { type MemberEdit, spliceMembers } from '../json/splice-members.ts';
import { EVENT_STREAM, JSON_TYPE } from '../media-types.ts';
import { providerError } from '../provider-error.ts';
import { saidInChatError } from './error.ts';
import { PassingStream } from './pass-stream.ts';
import { noteWholeAnswer, readAnswerJson } from './read-answer.ts';

/** The same object for every request, so that what is made of it can be kept. */
const HEADERS_OF_STREAM = { 'content-type': JSON_TYPE, accept: EVENT_STREAM } as const;
const HEADERS_OF_WHOLE = { 'content-type': JSON_TYPE, accept: JSON_TYPE } as const;

/** Chat completions on both sides: the client's bytes go out, the provider's bytes come back. */
export function openPassingExchange(options: ExchangeOptions): Exchange {
  const record = new AnswerRecord();
  const contentType = options.stream ? EVENT_STREAM : JSON_TYPE;
  return {
    request: {
      path: '/chat/completions',
      headers: options.stream ? HEADERS_OF_STREAM : HEADERS_OF_WHOLE,
      body: spliceMembers(options.body, editsOf(options)),
    },
    contentType,
    facts: record,
    answer: (body) => {
      noteWholeAnswer(readAnswerJson(body), record);
      return body;
    },
    stream: () => new PassingStream(record, options.includeUsage),
    error: (status, headers, body) =>
      providerError({ ...saidInChatError(readJson(decodeUtf8(body))), status, headers }),
  };
}

function editsOf({ model, stream, includeUsage }: ExchangeOptions): Record<string, MemberEdit> {
  const edits: Record<string, MemberEdit> = { model: () => JSON.stringify(model) };
  if (stream && !includeUsage) edits.stream_options = askForUsage;
  return edits;
}

/** Every stream is asked for its usage, whether or not the client wants to see it. */
function askForUsage(present: string | undefined): string {
  const options = readJson(present);
  return JSON.stringify({ ...(isObject(options) ? options : {}), include_usage: true });
}
