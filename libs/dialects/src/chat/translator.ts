import type { Translator } from '../translator.ts';
import { errorInChatAnswer, saidInChatError } from './error.ts';
import { providerRequestFromChat } from './provider-request.ts';
import { ChunkReader } from './read-stream.ts';
import { readWholeChatAnswer } from './read-whole-answer.ts';

/** Chat completions as a provider speaks them to a client of another dialect. */
export const chatTranslator: Translator = {
  target: 'chat',
  request: providerRequestFromChat,
  answer: readWholeChatAnswer,
  events: (writer, context) => new ChunkReader(writer, context),
  saidInError: saidInChatError,
  errorInAnswer: errorInChatAnswer,
};
