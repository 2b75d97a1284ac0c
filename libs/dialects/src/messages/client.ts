import type { ClientTranslator } from '../client-translator.ts';
import { messagesRequestToChat } from './request-to-chat.ts';
import { messageFromChat } from './response-from-chat.ts';
import { MessageWriter } from './stream-from-chat.ts';

export const messagesClient: ClientTranslator = {
  idPrefix: 'msg_',
  request: messagesRequestToChat,
  answer: messageFromChat,
  writer: (record, head) => new MessageWriter(record, head),
};
