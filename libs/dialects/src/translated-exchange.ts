import { randomUUID } from 'node:crypto';
import { AnswerRecord } from './answer-record.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { badAnswer, readAnswerJson } from './chat/read-answer.ts';
import type { ClientTranslator } from './client-translator.ts';
import type { AnswerStream, Exchange, ExchangeOptions } from './exchange.ts';
import { decodeUtf8, readJson } from './json/read-json.ts';
import { EVENT_STREAM, JSON_TYPE } from './media-types.ts';
import { providerError } from './provider-error.ts';
import { EventDecoder, type ServerSentEvent } from './sse/decode-events.ts';
import { DONE, isWholeData } from './sse/encode-event.ts';
import { interrupted } from './stream-interrupted.ts';
import { refuseUnsupported } from './support.ts';
import type { AnswerContext, EventReader, Translator } from './translator.ts';

/** A client and a provider that speak different dialects, by way of chat completions. */
export function openTranslatedExchange(
  options: ExchangeOptions,
  client: ClientTranslator,
  translator: Translator,
): Exchange {
  const { model, stream, includeUsage } = options;
  const record = new AnswerRecord();
  const createdSeconds = Math.floor(Date.now() / 1000);
  const accept = stream ? EVENT_STREAM : JSON_TYPE;
  const request = client.request(readJson(decodeUtf8(options.body)));
  refuseUnsupported(request, translator.target);
  const context: AnswerContext = {
    record,
    model,
    fallbackId: `${client.idPrefix}${randomUUID()}`,
    oneToolCall: request.parallel_tool_calls === false,
  };
  const { path, headers, body } = translator.request(request, model, stream);
  return {
    request: {
      path,
      headers: { 'content-type': JSON_TYPE, accept, ...headers },
      body: new TextEncoder().encode(JSON.stringify(body)),
    },
    contentType: stream ? (client.streamType ?? EVENT_STREAM) : JSON_TYPE,
    facts: record,
    answer: (bytes) => {
      const value = readAnswerJson(bytes);
      const error = translator.errorInAnswer(value);
      if (error !== undefined) throw error;
      return client.answer(translator.answer(value, context), record, createdSeconds);
    },
    stream: () => {
      const head = { id: context.fallbackId, model, createdSeconds, includeUsage };
      const writer = client.writer(record, head);
      return new TranslatedStream(writer, translator.events(writer, context), translator);
    },
    error: (status, answerHeaders, bytes) => {
      const said = translator.saidInError(readJson(decodeUtf8(bytes)));
      return providerError({ ...said, status, headers: answerHeaders });
    },
  };
}

class TranslatedStream implements AnswerStream {
  readonly #decoder = new EventDecoder();
  readonly #writer: AnswerWriter;
  readonly #reader: EventReader;
  readonly #translator: Translator;
  #finished = false;

  constructor(writer: AnswerWriter, reader: EventReader, translator: Translator) {
    this.#writer = writer;
    this.#reader = reader;
    this.#translator = translator;
  }

  get complete(): boolean {
    return this.#reader.complete;
  }

  push(bytes: Uint8Array): Uint8Array {
    for (const event of this.#decoder.push(bytes)) this.#read(event);
    return this.#writer.take();
  }

  end(): Uint8Array {
    const last = this.#decoder.end(isWholeData);
    if (last !== undefined) this.#read(last);
    if (!this.#reader.complete) throw interrupted();
    this.#finish();
    return this.#writer.take();
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#reader.end();
    this.#writer.end();
  }

  #read({ data }: ServerSentEvent): void {
    if (this.#finished || data === undefined || data.trim() === '') return;
    if (data.trim() === DONE && this.#reader.done !== undefined) {
      this.#reader.done();
      this.#finish();
      return;
    }
    const value = readJson(data);
    if (value === undefined) throw badAnswer('an event of the stream is not JSON');
    const error = this.#translator.errorInAnswer(value);
    if (error !== undefined) throw error;
    this.#reader.event(value);
  }
}
