import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProviderRequest } from '@gateway/dialects';
import { toGatewayError } from '@gateway/protocol';
import { AnswerBody } from './answer-body.ts';
import {
  completion,
  completionEvents,
  DEMO_ERROR_BODY,
  type DemoAnswer,
  readDemoRequest,
} from './demo-answer.ts';
import type { Provider, ProviderAnswer, ProviderModel, SendOptions } from './provider.ts';
import { ReadableAnswer } from './readable-answer.ts';
import { abortSignalOf, type StopSignal } from './stop-signal.ts';
import { abortError } from './upstream-error.ts';

/** So that a stream is seen to be one. */
const WORD_INTERVAL_MS = 15;

/** Answers chat completions by itself, without network or credential, and says that it does. */
export class DemoProvider implements Provider {
  readonly name: string;
  readonly kind = 'demo';
  readonly dialects = ['chat'] as const;
  readonly serverAddress = 'in-process';
  readonly serverPort = 0;

  constructor(name: string) {
    this.name = name;
  }

  async send(request: ProviderRequest, options: SendOptions): Promise<ProviderAnswer> {
    if (options.signal.aborted) throw abortError(options.signal);
    options.onSent?.();
    const asked = readDemoRequest(request.body);
    if (asked === undefined) return this.#answer(400, 'application/json', [DEMO_ERROR_BODY]);
    const answer: DemoAnswer = {
      id: `chatcmpl-demo-${randomUUID()}`,
      created: Math.trunc(Date.now() / 1000),
      request: asked,
    };
    return asked.stream
      ? this.#answer(200, 'text/event-stream', paced(answer, options.signal))
      : this.#answer(200, 'application/json', [completion(answer)]);
  }

  async listModels(): Promise<readonly ProviderModel[]> {
    return [{ id: 'demo' }];
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #answer(
    status: number,
    contentType: string,
    pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): ProviderAnswer {
    let isWanted = true;
    const body = new AnswerBody({
      resume: () => undefined,
      waiting: () => undefined,
      abandon: () => {
        isWanted = false;
      },
    });
    send(pieces, body, () => isWanted);
    return new ReadableAnswer(this.name, status, { 'content-type': contentType }, body);
  }
}

async function send(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  body: AnswerBody,
  isWanted: () => boolean,
): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (!isWanted()) return;
      body.add(piece);
    }
    body.end();
  } catch (thrown) {
    body.cutOff(toGatewayError(thrown));
  }
}

async function* paced(answer: DemoAnswer, signal: StopSignal) {
  const stopped = abortSignalOf(signal);
  for (const event of completionEvents(answer)) {
    yield event;
    try {
      await delay(WORD_INTERVAL_MS, undefined, { signal: stopped });
    } catch {
      throw abortError(signal);
    }
  }
}
