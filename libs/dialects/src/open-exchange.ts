import type { ClientDialect } from '@gateway/protocol';
import { chatClient } from './chat/client.ts';
import { openPassingExchange } from './chat/pass-exchange.ts';
import { chatTranslator } from './chat/translator.ts';
import type { ClientTranslator } from './client-translator.ts';
import { openEmbeddings } from './embeddings/open-embeddings.ts';
import type {
  Exchange,
  ExchangeOptions,
  HubDialect,
  ProviderDialect,
  SpokenDialects,
} from './exchange.ts';
import { geminiArrayClient, geminiClient } from './gemini/client.ts';
import { openPassingGeminiExchange } from './gemini/pass-exchange.ts';
import { geminiTranslator } from './gemini/translator.ts';
import { messagesClient } from './messages/client.ts';
import { openPassingMessages } from './messages/pass-exchange.ts';
import { messagesTranslator } from './messages/translator.ts';
import { openResponsesClient } from './responses/client.ts';
import { openPassingResponses } from './responses/pass-exchange.ts';
import { openTokenCount } from './token-count/open-token-count.ts';
import { openTranslatedExchange } from './translated-exchange.ts';
import type { Translator } from './translator.ts';

interface ClientSide {
  readonly translator: (options: ExchangeOptions) => ClientTranslator;
  /** The exchange with a provider that speaks the same dialect. */
  readonly openPassing: (options: ExchangeOptions) => Exchange;
}

const CLIENTS: Readonly<Record<ClientDialect, ClientSide>> = {
  chat: { translator: () => chatClient, openPassing: openPassingExchange },
  messages: { translator: () => messagesClient, openPassing: openPassingMessages },
  gemini: {
    translator: ({ arrayStream }) => (arrayStream ? geminiArrayClient : geminiClient),
    openPassing: openPassingGeminiExchange,
  },
  responses: { translator: openResponsesClient, openPassing: openPassingResponses },
};

const PROVIDERS: Readonly<Record<HubDialect, Translator>> = {
  chat: chatTranslator,
  messages: messagesTranslator,
  gemini: geminiTranslator,
};

/**
 * Makes the exchange of one attempt: bytes pass where both sides speak one dialect, and are
 * translated by way of chat completions elsewhere. Throws `invalid_request` when the provider's
 * dialect cannot say what the client asks, naming the field.
 */
export function openExchange(options: ExchangeOptions): Exchange {
  if (options.operation === 'embed') return openEmbeddings(options);
  if (options.operation === 'count-tokens') return openTokenCount(options);
  const client = CLIENTS[options.client];
  if (options.client === options.provider) return client.openPassing(options);
  if (options.provider === 'responses') throw new Error('responses are reached by passing alone');
  return openTranslatedExchange(options, client.translator(options), PROVIDERS[options.provider]);
}

/** Of what a provider speaks, the client's own dialect, or else the one that is translated to. */
export function chooseDialect(client: ClientDialect, dialects: SpokenDialects): ProviderDialect {
  return dialects.includes(client) ? client : dialects[0];
}
