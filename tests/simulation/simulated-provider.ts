/** Model providers that keep their own ledger. Each piece of an answer names the call that it is of. */
import { GatewayError } from '@gateway/protocol';
import type { TakeBytes } from '../../libs/providers/src/answer-body.ts';
import type { Provider, ProviderAnswer, SendOptions } from '../../libs/providers/src/provider.ts';
import { abortSignalOf } from '../../libs/providers/src/stop-signal.ts';
import { virtualSleep } from './replaced-globals.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One call as the provider has it on record. */
export interface LedgerCall {
  readonly id: string;
  readonly requestId: string;
  readonly provider: string;
  readonly at: number;
  status: number | undefined;
  /** The whole text of the answer, told or not. */
  readonly text: string;
  readonly usage: { readonly input: number; readonly output: number };
  /** Whether all of the answer went out. */
  isComplete: boolean;
}

type Behaviour = 'answers' | 'limits' | 'fails' | 'refuses' | 'breaks' | 'stalls' | 'resets';

const encoder = new TextEncoder();
const PIECES_MAX = 6;

export class SimulatedProviders {
  readonly ledger: LedgerCall[] = [];
  readonly #time: VirtualTime;
  /** Called for each call before it is made. */
  readonly #called: (requestId: string) => void;
  /** Share of the calls that go well. */
  readonly #health: number;

  constructor(time: VirtualTime, health: number, called: (requestId: string) => void) {
    this.#time = time;
    this.#health = health;
    this.#called = called;
  }

  open(name: string): Provider {
    const unplayed = () => Promise.reject(new Error('not part of the simulation'));
    return {
      name,
      kind: 'openai-compatible',
      dialects: ['chat'],
      serverAddress: name,
      serverPort: 0,
      send: (_request, options) => this.#send(name, options),
      listModels: unplayed,
      close: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  async #send(name: string, options: SendOptions): Promise<ProviderAnswer> {
    const { random } = this.#time;
    const signal = abortSignalOf(options.signal);
    signal.throwIfAborted();
    this.#called(options.requestId);
    const behaviour = this.#behaviour();
    await wait(random.next() * 5, signal);
    if (behaviour === 'refuses') {
      throw new GatewayError('provider_unavailable', 'No connection.', { provider: name });
    }
    options.onSent?.();
    const call = this.#newCall(name, options.requestId);
    await wait(random.exponential(behaviour === 'stalls' ? 5_000 : 150), signal);
    if (behaviour === 'resets') {
      throw new GatewayError('provider_unavailable', 'Connection reset.', { provider: name });
    }
    call.status = behaviour === 'limits' ? 429 : behaviour === 'fails' ? 500 : 200;
    const headers: Record<string, string> = {
      'content-type': options.stream ? 'text/event-stream' : 'application/json',
      'x-request-id': call.id,
      ...(call.status === 429 && { 'retry-after': String(random.integer(0, 3)) }),
    };
    const body =
      call.status !== 200
        ? pieces(['{"error":{"message":"no","type":"server_error"}}'])
        : options.stream
          ? this.#stream(call, behaviour === 'breaks', signal)
          : this.#whole(call, behaviour === 'breaks', signal);
    return {
      status: call.status,
      headers,
      read: (take) => readEach(body, take, signal),
      readAll: () => collect(body),
      readStart: () => collect(body),
    };
  }

  #behaviour(): Behaviour {
    const { random } = this.#time;
    if (random.chance(this.#health)) return 'answers';
    return random.pick(['limits', 'fails', 'refuses', 'breaks', 'stalls', 'resets']);
  }

  #newCall(provider: string, requestId: string): LedgerCall {
    const { random, now } = this.#time;
    const id = `c${this.ledger.length + 1}`;
    const words = Array.from(
      { length: random.integer(1, PIECES_MAX) },
      (_, index) => `${id}:${index} `,
    );
    const call: LedgerCall = {
      ...{ id, requestId, provider, at: now, status: undefined, text: words.join('') },
      usage: { input: random.integer(1, 500), output: random.integer(1, 900) },
      isComplete: false,
    };
    this.ledger.push(call);
    this.#time.note(`call ${id} of ${requestId} at ${provider}`);
    return call;
  }

  async *#stream(call: LedgerCall, breaks: boolean, signal: AbortSignal) {
    const { random } = this.#time;
    const words = call.text.match(/\S+ /g) ?? [];
    const breaksAt = breaks ? random.integer(0, words.length) : -1;
    for (const [index, word] of words.entries()) {
      await wait(random.exponential(60), signal);
      if (index === breaksAt) throw new GatewayError('stream_interrupted', 'Cut.');
      yield event({ choices: [{ index: 0, delta: { content: word }, finish_reason: null }] });
    }
    if (breaksAt === words.length) throw new GatewayError('stream_interrupted', 'Cut.');
    yield event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    call.isComplete = true;
    yield Buffer.concat([
      event({ choices: [], usage: usageOf(call) }),
      encoder.encode('data: [DONE]\n\n'),
    ]);
  }

  async *#whole(call: LedgerCall, breaks: boolean, signal: AbortSignal) {
    await wait(this.#time.random.exponential(200), signal);
    const message = { role: 'assistant', content: call.text };
    const answer = {
      ...{ id: call.id, object: 'chat.completion', created: 1, model: 'm' },
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: usageOf(call),
    };
    const bytes = encoder.encode(JSON.stringify(answer));
    yield bytes.subarray(0, 20);
    await wait(this.#time.random.exponential(40), signal);
    if (breaks) throw new GatewayError('stream_interrupted', 'Cut.');
    call.isComplete = true;
    yield bytes.subarray(20);
  }
}

function usageOf({ usage: { input, output } }: LedgerCall) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function event(fields: object): Uint8Array {
  const chunk = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields };
  return encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`);
}

/** Rejects with the reason of the signal, as the client of a provider does. */
async function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  await virtualSleep(delayMs, undefined, { signal });
}

async function* pieces(texts: readonly string[]) {
  for (const text of texts) yield encoder.encode(text);
}

/** What waits in `take` ends with the signal, as the client of a provider has it. */
async function readEach(
  body: AsyncIterable<Uint8Array>,
  take: TakeBytes,
  signal: AbortSignal,
): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    for await (const bytes of body) await Promise.race([take(bytes), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}
