import type { ChatMessage, ChatPart } from './chat-request.ts';
import { partsOf, textOfPart } from './read-messages.ts';

/**
 * The images and files of tool results as what the user says behind them: OpenAI's tools answer in
 * text alone. The results of parallel calls have to stand together, so that all of it comes after
 * the last of them.
 */
export function withMediaBehindTools(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const moved: ChatMessage[] = [];
  let media: ChatPart[] = [];
  const flush = () => {
    if (media.length > 0) moved.push({ role: 'user', content: media });
    media = [];
  };
  for (const message of messages) {
    if (message.role !== 'tool') {
      flush();
      moved.push(message);
      continue;
    }
    const parts = partsOf(message.content);
    const texts = parts.filter((part) => textOfPart(part) !== undefined);
    media.push(...parts.filter((part) => textOfPart(part) === undefined));
    const isWhole = texts.length === parts.length;
    moved.push(isWhole ? message : { ...message, content: texts.length > 0 ? texts : '' });
  }
  flush();
  return moved;
}
