export { answerTextBytes } from './answer-text.ts';
export { type ChatRequest, MODEL_CHARACTERS_MAX } from './chat/chat-request.ts';
export { type ChatRequestFacts, parseChatRequest } from './chat/parse-request.ts';
export {
  type EmbedAddress,
  type EmbedContentFacts,
  parseEmbedContentRequest,
} from './embeddings/embed-content-request.ts';
export {
  type EmbeddingsRequestFacts,
  parseEmbeddingsRequest,
} from './embeddings/embeddings-request.ts';
export { estimateTokens } from './estimate-tokens.ts';
export type {
  AnswerFacts,
  AnswerStream,
  Exchange,
  ExchangeOptions,
  HubDialect,
  ProviderDialect,
  ProviderRequest,
  SpokenDialects,
} from './exchange.ts';
export {
  type GeminiAddress,
  type GeminiRequestFacts,
  parseGeminiRequest,
} from './gemini/parse-request.ts';
export { GEMINI_PARAMETER_SUPPORT } from './gemini/support.ts';
export { JSON_DEPTH_MAX, JSON_VALUES_MAX } from './json/scan-json.ts';
export type { MessagesRequest } from './messages/messages-request.ts';
export {
  MESSAGES_PARAMETERS_REFUSED,
  type MessagesRequestFacts,
  parseMessagesRequest,
} from './messages/parse-request.ts';
export { MESSAGES_PARAMETER_SUPPORT } from './messages/support.ts';
export { chooseDialect, openExchange } from './open-exchange.ts';
export { RETRY_AFTER_MS_MAX } from './provider-error.ts';
export {
  parseResponsesRequest,
  RESPONSES_PARAMETERS_REFUSED,
  type ResponsesRequestFacts,
} from './responses/parse-request.ts';
export {
  type KeptResponse,
  openResponseId,
  previousResponseNotFound,
  responseIdKey,
  type StateOptions,
} from './responses/response-id.ts';
export {
  openStateCall,
  responseNotFound,
  type StateAction,
  type StateCall,
} from './responses/state-call.ts';
export { RESPONSES_PARAMETER_SUPPORT } from './responses/support.ts';
export { EVENT_BYTES_MAX } from './sse/decode-events.ts';
export { PARAMETER_SUPPORT, type Support, type Target } from './support.ts';
export { estimatePromptTokens } from './token-count/estimate-request.ts';
export {
  parseGeminiCountRequest,
  parseMessagesCountRequest,
  type TokenCountFacts,
} from './token-count/parse-request.ts';
