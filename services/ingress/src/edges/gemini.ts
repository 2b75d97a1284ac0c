import {
  parseEmbedContentRequest,
  parseGeminiCountRequest,
  parseGeminiRequest,
} from '@gateway/dialects';
import { GatewayError } from '@gateway/protocol';
import type { ClientEdge, RequestFacts } from '../client-edge.ts';
import { googleArrayErrors, googleErrors } from '../error-styles/google.ts';

/** Google's methods of a model that are served. */
const METHODS = [
  'generateContent',
  'streamGenerateContent',
  'embedContent',
  'batchEmbedContents',
  'countTokens',
] as const;

export interface GeminiAddress {
  readonly model: string;
  readonly method: (typeof METHODS)[number];
}

/**
 * Takes `<model>:<method>` apart; the model may hold slashes and colons. Throws `not_found` for
 * another method.
 */
export function readGeminiAddress(text: string): GeminiAddress {
  const colon = text.lastIndexOf(':');
  const method = METHODS.find((known) => known === text.slice(colon + 1));
  if (colon < 1 || method === undefined) {
    throw new GatewayError('not_found', `A model takes ${METHODS.join(', ')} only.`);
  }
  return { model: text.slice(0, colon), method };
}

/**
 * Google has model and method in the address, and the form of a stream in its query: events with
 * `alt=sse`, else a JSON array.
 * @see https://ai.google.dev/api/generate-content
 */
export function geminiEdge({ model, method }: GeminiAddress, isSse: boolean): ClientEdge {
  const arrayStream = method === 'streamGenerateContent' && !isSse;
  return {
    dialect: 'gemini',
    errors: arrayStream ? googleArrayErrors : googleErrors,
    parse: ({ body }) => {
      const facts = factsOf(body, { model, method });
      // Neither is in the body, and both change what is sent.
      const parsed = { arrayStream, request: facts.parsed };
      return { ...facts, parsed, more: { ...facts.more, arrayStream } };
    },
  };
}

function factsOf(body: Uint8Array, { model, method }: GeminiAddress): RequestFacts {
  switch (method) {
    case 'generateContent':
    case 'streamGenerateContent':
      return parseGeminiRequest(body, { model, stream: method === 'streamGenerateContent' });
    case 'countTokens':
      return {
        ...parseGeminiCountRequest(body, { model }),
        more: { operation: 'count-tokens' },
      };
    default: {
      const batch = method === 'batchEmbedContents';
      return { ...parseEmbedContentRequest(body, { model, batch }), more: { operation: 'embed' } };
    }
  }
}
