import { AnswerRecord } from '../answer-record.ts';
import { saidInChatError } from '../chat/error.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { badAnswer, readAnswerJson } from '../chat/read-answer.ts';
import { estimateTokens } from '../estimate-tokens.ts';
import type { Exchange, ExchangeOptions } from '../exchange.ts';
import { saidInGeminiError } from '../gemini/error.ts';
import { modelName } from '../gemini/model-path.ts';
import { decodeUtf8, isObject, type JsonObject, readJson } from '../json/read-json.ts';
import { type MemberEdit, spliceMembers } from '../json/splice-members.ts';
import { JSON_TYPE } from '../media-types.ts';
import { providerError, type SaidError } from '../provider-error.ts';
import { isBatchBody, readEmbedContents as readContents } from './embed-content-request.ts';
import { asEmbeddingsRequest } from './embeddings-request.ts';
import {
  batchFromEmbeddings,
  embeddingsFromContents,
  embedPath,
  readEmbedContents,
  writeEmbedContents,
} from './gemini-embeddings.ts';
import {
  EMBEDDINGS_PATH,
  inFormat,
  readEmbeddings,
  vectorOf,
  writeEmbeddings,
} from './openai-embeddings.ts';

/** What differs between the ways from a client to a provider and back. */
interface Way {
  readonly path: string;
  readonly body: Uint8Array;
  /** The client's body; notes the facts. */
  answer(bytes: Uint8Array): Uint8Array;
  saidInError(value: unknown): SaidError;
}

/**
 * The exchange of one call for embeddings, of OpenAI's clients or Google's. Throws
 * `invalid_request` where the provider has no embeddings.
 */
export function openEmbeddings(options: ExchangeOptions): Exchange {
  const record = new AnswerRecord();
  const way = wayOf(options, record);
  return {
    request: {
      path: way.path,
      headers: { 'content-type': JSON_TYPE, accept: JSON_TYPE },
      body: way.body,
    },
    contentType: JSON_TYPE,
    facts: record,
    answer: way.answer,
    stream: () => {
      throw new Error('embeddings are not streamed');
    },
    error: (status, headers, body) =>
      providerError({ ...way.saidInError(readJson(decodeUtf8(body))), status, headers }),
  };
}

function wayOf(options: ExchangeOptions, record: AnswerRecord): Way {
  const { client, provider } = options;
  if (provider === 'gemini') {
    return client === 'gemini' ? passToGoogle(options, record) : toGoogle(options, record);
  }
  if (provider === 'chat') {
    return client === 'gemini' ? fromGoogle(options, record) : passToOpenAi(options, record);
  }
  const message = "Unsupported value: 'model' names a model that cannot embed.";
  throw invalidField('model', message, 'unsupported_value');
}

function passToOpenAi({ body, model }: ExchangeOptions, record: AnswerRecord): Way {
  const request = asEmbeddingsRequest(readJson(decodeUtf8(body)));
  return {
    path: EMBEDDINGS_PATH,
    body: spliceMembers(body, { model: () => JSON.stringify(model) }),
    answer: (bytes) => {
      const value = readAnswerJson(bytes);
      const entries = readEmbeddings(value, record);
      const answered = inFormat(value, entries, request.encoding_format ?? 'float');
      return answered === value ? bytes : bytesOf(answered as JsonObject);
    },
    saidInError: saidInChatError,
  };
}

function toGoogle({ body, model }: ExchangeOptions, record: AnswerRecord): Way {
  const request = asEmbeddingsRequest(readJson(decodeUtf8(body)));
  const batch = batchFromEmbeddings(request, model);
  const count = Array.isArray(batch.requests) ? batch.requests.length : 0;
  return {
    path: embedPath(model, true),
    body: bytesOf(batch),
    answer: (bytes) => {
      const vectors = readEmbedContents(readAnswerJson(bytes), record);
      checkCount(vectors.length, count);
      const tokens = inputTokensOf(record, body);
      const format = request.encoding_format ?? 'float';
      return bytesOf(writeEmbeddings({ model, vectors }, tokens, format));
    },
    saidInError: saidInGeminiError,
  };
}

function fromGoogle({ body, model }: ExchangeOptions, record: AnswerRecord): Way {
  const value = readJson(decodeUtf8(body));
  const requests = readContents(value);
  return {
    path: EMBEDDINGS_PATH,
    body: bytesOf({ model, ...embeddingsFromContents(requests) }),
    answer: (bytes) => {
      const vectors = readEmbeddings(readAnswerJson(bytes), record).map(vectorOf);
      checkCount(vectors.length, requests.length);
      return bytesOf(writeEmbedContents(vectors, inputTokensOf(record, body), isBatchBody(value)));
    },
    saidInError: saidInChatError,
  };
}

function passToGoogle({ body, model }: ExchangeOptions, record: AnswerRecord): Way {
  const isBatch = isBatchBody(readJson(decodeUtf8(body)));
  const name = modelName(model);
  const renamed: MemberEdit = (present) =>
    present === undefined ? undefined : JSON.stringify(name);
  return {
    path: embedPath(model, isBatch),
    body: spliceMembers(body, { model: renamed, requests: (present) => withModel(present, name) }),
    answer: (bytes) => {
      readEmbedContents(readAnswerJson(bytes), record);
      return bytes;
    },
    saidInError: saidInGeminiError,
  };
}

/** Google wants the model in each request of a batch. */
function withModel(present: string | undefined, model: string): string | undefined {
  const requests = readJson(present);
  if (!Array.isArray(requests)) return undefined;
  return JSON.stringify(
    requests.map((request: unknown) => (isObject(request) ? { ...request, model } : request)),
  );
}

function checkCount(answered: number, asked: number): void {
  if (answered !== asked) throw badAnswer(`${answered} embeddings came for ${asked} inputs`);
}

/** As reported, or estimated as the record of the attempt estimates it. */
function inputTokensOf({ usage }: AnswerRecord, body: Uint8Array): number {
  return usage?.inputTokens ?? estimateTokens(body.length);
}

function bytesOf(value: JsonObject): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
