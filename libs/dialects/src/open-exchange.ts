import { chatClient } from './chat/client.ts';
import { openPassingExchange } from './chat/pass-exchange.ts';
import type { Exchange, ExchangeOptions, ProviderDialect } from './exchange.ts';
import { geminiTranslator } from './gemini/translator.ts';
import { messagesTranslator } from './messages/translator.ts';
import { openTranslatedExchange } from './translated-exchange.ts';

const OPEN: Readonly<Record<ProviderDialect, (options: ExchangeOptions) => Exchange>> = {
  chat: openPassingExchange,
  messages: (options) => openTranslatedExchange(options, chatClient, messagesTranslator),
  gemini: (options) => openTranslatedExchange(options, chatClient, geminiTranslator),
};

/**
 * Makes the exchange of one attempt. Throws `invalid_request` when the provider's dialect cannot
 * say what the client asks, naming the field.
 */
export function openExchange(options: ExchangeOptions): Exchange {
  return OPEN[options.provider](options);
}
