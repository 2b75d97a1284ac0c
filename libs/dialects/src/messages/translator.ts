import type { Translator } from '../translator.ts';
import { errorInMessagesAnswer, saidInMessagesError } from './error.ts';
import { messagesRequestFromChat } from './request-from-chat.ts';
import { messagesAnswerToChat } from './response-to-chat.ts';
import { MessagesEventReader } from './stream-to-chat.ts';

export const messagesTranslator: Translator = {
  target: 'messages',
  request: messagesRequestFromChat,
  answer: messagesAnswerToChat,
  events: (writer, context) => new MessagesEventReader(writer, context),
  saidInError: saidInMessagesError,
  errorInAnswer: errorInMessagesAnswer,
};
