import { randomUUID } from 'node:crypto';
import type { ClientTranslator } from '../client-translator.ts';
import { asResponsesRequest } from './parse-request.ts';
import { responsesRequestToChat } from './request-to-chat.ts';
import { responseFromChat } from './response-from-chat.ts';
import type { ResponsesRequest } from './responses-request.ts';
import { ResponseEventWriter, type ResponseWriterOptions } from './stream-from-chat.ts';

const ENCRYPTED_REASONING = 'reasoning.encrypted_content';

/** Made for one exchange: an answer repeats what was asked, and names tools as the client did. */
export function openResponsesClient(): ClientTranslator {
  let asked: ResponseWriterOptions | undefined;
  const options = (): ResponseWriterOptions => {
    if (asked === undefined) throw new Error('the answer comes before the request');
    return asked;
  };
  return {
    idPrefix: 'resp_',
    request: (body) => {
      const request: ResponsesRequest = asResponsesRequest(body);
      const { request: chat, identities } = responsesRequestToChat(request);
      const keepsReasoning = request.include?.includes(ENCRYPTED_REASONING) === true;
      asked = { request, identities, keepsReasoning };
      return chat;
    },
    answer: (answer, record, createdSeconds) => {
      const responseId = `resp_${randomUUID()}`;
      return responseFromChat(answer, record, { ...options(), responseId, createdSeconds });
    },
    writer: (record, head) => new ResponseEventWriter(record, head, options()),
  };
}
