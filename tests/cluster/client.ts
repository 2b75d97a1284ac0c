/** A client that writes down all that it saw of an answer, also when it broke off. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { waitFor } from '@gateway/testing';

const ANSWER_TIMEOUT_MS = 60_000;

/**
 * `whole`: the answer came to its end. `error-event`: a stream that began well said an error.
 * `cut`: the connection broke before the end. `unreachable`: there was no status at all. `left`:
 * this client broke off.
 */
export type AnswerEnd = 'whole' | 'error-event' | 'cut' | 'unreachable' | 'left';

export interface Answer {
  readonly end: AnswerEnd;
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Of the header `x-request-id`. */
  readonly requestId: string | undefined;
  /** What the model said, as far as it came. */
  readonly text: string;
  /** `error.code` of the body or of the last event. */
  readonly errorCode: string | undefined;
  /** The answer as it came over the wire. */
  readonly body: string;
  readonly startedAt: number;
  /** From the request to its end. */
  readonly durationMs: number;
}

export interface Asked {
  /** Text of the user's turn; words like `sim:status=429` steer the simulator. */
  readonly text?: string;
  /** Default `gpt-4o-mini`. */
  readonly model?: string;
  readonly stream?: boolean;
  /** More fields of the body. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A client that takes longer to be answered leaves; default 60 s. */
  readonly timeoutMs?: number;
}

/** A request that runs. */
export interface Asking {
  /** Never rejects. */
  readonly answer: Promise<Answer>;
  /** The text so far. */
  readonly text: string;
  /** Resolves when as many characters of the answer's body have come; at most 10 s. */
  received(characters?: number): Promise<void>;
  /** Resolves when there is a status; at most 10 s. */
  head(): Promise<void>;
  /** Closes the connection. */
  leave(): void;
  /** Stops reading, until `read()`. */
  stall(): void;
  read(): void;
}

interface ChatPart {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly message?: { readonly content?: string | null };
  }[];
  readonly error?: { readonly code?: string | null };
}

function parsed(text: string): ChatPart | undefined {
  try {
    return JSON.parse(text) as ChatPart;
  } catch {
    return undefined;
  }
}

/** The JSON values of a body: of each event, or the one that it is. */
function partsOf(body: string, isStream: boolean): ChatPart[] {
  const texts = isStream ? body.split('\n\n').map((event) => event.replace(/^data: /, '')) : [body];
  return texts.map(parsed).filter((part) => part !== undefined);
}

function textOf(parts: readonly ChatPart[]): string {
  return parts
    .flatMap(({ choices = [] }) => choices)
    .map(({ delta, message }) => delta?.content ?? message?.content ?? '')
    .join('');
}

class Exchange implements Asking {
  readonly answer: Promise<Answer>;
  readonly #request;
  readonly #startedAt = Date.now();
  readonly #began = performance.now();
  #response: IncomingMessage | undefined;
  #pieces: string[] = [];
  #characters = 0;
  #hasLeft = false;

  constructor(baseUrl: string, key: string, asked: Asked) {
    const { text = 'Hello', model = 'gpt-4o-mini', stream = false, body, headers } = asked;
    const messages = [{ role: 'user', content: text }];
    this.#request = request(`${baseUrl}/v1/chat/completions`, {
      method: 'POST',
      // A connection of its own, so that none is found dead.
      agent: false,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        ...headers,
      },
    });
    const timer = setTimeout(() => this.leave(), asked.timeoutMs ?? ANSWER_TIMEOUT_MS);
    this.answer = this.#exchange().finally(() => clearTimeout(timer));
    this.#request.end(JSON.stringify({ model, messages, ...(stream && { stream }), ...body }));
  }

  get text(): string {
    return textOf(partsOf(this.#pieces.join(''), this.#isStream));
  }

  async received(characters = 1): Promise<void> {
    const what = `${characters} characters of an answer`;
    await waitFor(() => this.#characters >= characters, { what });
  }

  async head(): Promise<void> {
    await waitFor(() => this.#response !== undefined, { what: 'the status of an answer' });
  }

  leave(): void {
    this.#hasLeft = true;
    this.#request.destroy();
  }

  stall(): void {
    this.#response?.pause();
  }

  read(): void {
    this.#response?.resume();
  }

  get #isStream(): boolean {
    return this.#response?.headers['content-type']?.startsWith('text/event-stream') ?? false;
  }

  async #exchange(): Promise<Answer> {
    const isWhole = await new Promise<boolean>((resolve) => {
      this.#request.once('error', () => resolve(false));
      this.#request.once('close', () => resolve(this.#response?.complete ?? false));
      this.#request.once('response', (response) => {
        this.#response = response;
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          this.#pieces.push(piece);
          this.#characters += piece.length;
        });
        response.once('end', () => resolve(response.complete));
        response.once('error', () => resolve(false));
      });
    });
    return this.#answer(isWhole);
  }

  #answer(isWhole: boolean): Answer {
    const body = this.#pieces.join('');
    const parts = partsOf(body, this.#isStream);
    const errorCode = parts.findLast(({ error }) => error !== undefined)?.error?.code ?? undefined;
    const { statusCode: status, headers = {} } = this.#response ?? {};
    const requestId = headers['x-request-id'];
    return {
      end: this.#endOf(isWhole, errorCode),
      status,
      headers,
      requestId: typeof requestId === 'string' ? requestId : undefined,
      text: textOf(parts),
      errorCode,
      body,
      startedAt: this.#startedAt,
      durationMs: performance.now() - this.#began,
    };
  }

  #endOf(isWhole: boolean, errorCode: string | undefined): AnswerEnd {
    if (this.#response === undefined) return this.#hasLeft ? 'left' : 'unreachable';
    if (this.#isStream && errorCode !== undefined) return 'error-event';
    const hasEnd = !this.#isStream || this.#pieces.join('').endsWith('data: [DONE]\n\n');
    if (isWhole && hasEnd) return 'whole';
    return this.#hasLeft ? 'left' : 'cut';
  }
}

/** Begins a chat completion. */
export function beginAsking(baseUrl: string, key: string, asked: Asked): Asking {
  return new Exchange(baseUrl, key, asked);
}
