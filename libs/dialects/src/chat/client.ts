import type { ClientTranslator } from '../client-translator.ts';
import { asChatRequest } from './parse-request.ts';
import { writeWholeAnswer } from './write-answer.ts';
import { ChunkWriter } from './write-stream.ts';

export const chatClient: ClientTranslator = {
  idPrefix: 'chatcmpl-',
  request: asChatRequest,
  answer: writeWholeAnswer,
  writer: (record, head) => new ChunkWriter(record, head),
};
