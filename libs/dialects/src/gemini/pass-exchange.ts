import { AnswerRecord } from '../answer-record.ts';
import { badAnswer, readAnswerJson } from '../chat/read-answer.ts';
import type { AnswerStream, Exchange, ExchangeOptions } from '../exchange.ts';
import { decodeUtf8, readJson } from '../json/read-json.ts';
import { joinBytes, spliceMembers } from '../json/splice-members.ts';
import { EVENT_STREAM, JSON_TYPE } from '../media-types.ts';
import { providerError } from '../provider-error.ts';
import { EventDecoder, type ServerSentEvent } from '../sse/decode-events.ts';
import { isWholeData } from '../sse/encode-event.ts';
import { interrupted } from '../stream-interrupted.ts';
import { saidInGeminiError } from './error.ts';
import { modelName, modelPath } from './model-path.ts';
import { noteGeminiAnswer } from './note-answer.ts';
import { arrayFraming } from './stream-framing.ts';

/**
 * Google's dialect on both sides: the client's bytes go out, the provider's bytes come back. The
 * provider is always asked for events; a client that wants an array gets their data as elements.
 */
export function openPassingGeminiExchange(options: ExchangeOptions): Exchange {
  const { body, model, stream, arrayStream } = options;
  const record = new AnswerRecord();
  const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
  const accept = stream ? EVENT_STREAM : JSON_TYPE;
  return {
    request: {
      path: `/v1beta/${modelPath(model)}:${method}`,
      headers: { 'content-type': JSON_TYPE, accept },
      body: spliceMembers(body, {
        model: (present) => (present === undefined ? undefined : JSON.stringify(modelName(model))),
      }),
    },
    contentType: arrayStream ? JSON_TYPE : accept,
    facts: record,
    answer: (bytes) => {
      noteGeminiAnswer(readAnswerJson(bytes), record);
      if (!record.everyChoiceFinished) throw badAnswer('the answer has no finished candidate');
      return bytes;
    },
    stream: () => new PassingGeminiStream(record, arrayStream ? new ArrayForm() : new EventForm()),
    error: (status, headers, bytes) =>
      providerError({ ...saidInGeminiError(readJson(decodeUtf8(bytes))), status, headers }),
  };
}

/** How the events of the provider go to the client. */
interface Form {
  event(event: ServerSentEvent): Uint8Array;
  /** The last event, when the provider left out the empty line behind it. */
  lastEvent(event: ServerSentEvent): Uint8Array;
  close(): Uint8Array;
}

class EventForm implements Form {
  event({ raw }: ServerSentEvent): Uint8Array {
    return raw;
  }

  lastEvent({ raw }: ServerSentEvent): Uint8Array {
    return joinBytes([raw, LINE_BREAKS]);
  }

  close(): Uint8Array {
    return new Uint8Array();
  }
}

class ArrayForm implements Form {
  readonly #framing = arrayFraming();

  event({ data }: ServerSentEvent): Uint8Array {
    if (data === undefined || data.trim() === '') return new Uint8Array();
    return new TextEncoder().encode(this.#framing.element(data));
  }

  lastEvent(event: ServerSentEvent): Uint8Array {
    return this.event(event);
  }

  close(): Uint8Array {
    return new TextEncoder().encode(this.#framing.close());
  }
}

const LINE_BREAKS = new TextEncoder().encode('\r\n\r\n');

/**
 * A stream that passes and is read on the way. It is complete when each candidate has a finish
 * reason; usage may come behind it.
 */
class PassingGeminiStream implements AnswerStream {
  readonly #decoder = new EventDecoder();
  readonly #record: AnswerRecord;
  readonly #form: Form;
  readonly #callers = new Set<number>();

  constructor(record: AnswerRecord, form: Form) {
    this.#record = record;
    this.#form = form;
  }

  get complete(): boolean {
    return this.#record.everyChoiceFinished;
  }

  push(bytes: Uint8Array): Uint8Array {
    return joinBytes(
      this.#decoder.push(bytes).map((event) => {
        this.#note(event);
        return this.#form.event(event);
      }),
    );
  }

  end(): Uint8Array {
    const last = this.#decoder.end(isWholeData);
    if (last !== undefined) this.#note(last);
    if (!this.complete) throw interrupted();
    const rest = last === undefined ? [] : [this.#form.lastEvent(last)];
    return joinBytes([...rest, this.#form.close()]);
  }

  #note({ data }: ServerSentEvent): void {
    if (data === undefined || data.trim() === '') return;
    const value = readJson(data);
    if (value === undefined) throw badAnswer('an event of the stream is not JSON');
    noteGeminiAnswer(value, this.#record, this.#callers);
  }
}
