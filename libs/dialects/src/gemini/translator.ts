import type { Translator } from '../translator.ts';
import { errorInGeminiAnswer, saidInGeminiError } from './error.ts';
import { geminiRequestFromChat } from './request-from-chat.ts';
import { geminiAnswerToChat } from './response-to-chat.ts';
import { GeminiEventReader } from './stream-to-chat.ts';

export const geminiTranslator: Translator = {
  target: 'gemini',
  request: geminiRequestFromChat,
  answer: geminiAnswerToChat,
  events: (writer, context) => new GeminiEventReader(writer, context),
  saidInError: saidInGeminiError,
  errorInAnswer: errorInGeminiAnswer,
};
