/** What the tests ask of every official client, in words that all of them have. */

export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** The JSON schema of the tool's arguments. */
export const WEATHER_PARAMETERS = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
  additionalProperties: false,
};
export const WEATHER = { name: 'get_weather', description: 'The weather of a city' };

/** The JSON schema of a structured answer. */
export const CITY_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const }, inhabitants: { type: 'integer' as const } },
  required: ['city', 'inhabitants'],
  additionalProperties: false,
};

export interface Question {
  readonly model: string;
  readonly text: string;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly text: string;
  /** Tokens; undefined when the client was told none. */
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
}

/** Gets the city that the model asks for and answers how the weather is. */
export type RunTool = (city: string) => string;

/** One configured client. Every method rejects with the error that the client throws. */
export interface Session {
  ask(question: Question): Promise<Answer>;
  /** `onText` is called with each piece of text as it comes. */
  stream(question: Question, onText: (text: string) => void): Promise<Answer>;
  /** Offers one tool, runs it as the model asks, and gives the text of the answer that follows. */
  useTool(question: Question, run: RunTool): Promise<string>;
  /** The same in a stream. */
  streamTool(question: Question, run: RunTool): Promise<string>;
  /** An answer of `CITY_SCHEMA`. */
  structured(question: Question): Promise<unknown>;
  /** Asks with `PIXEL` beside the text. */
  see(question: Question): Promise<Answer>;
  embed?(model: string, texts: readonly string[]): Promise<readonly (readonly number[])[]>;
}

export interface SessionOptions {
  /** Without a path. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** False: the client gives up at the first failure. True: it does as it does by default. */
  readonly retries: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: a class is told by its name alone, whatever it takes.
export type ErrorClass = abstract new (...given: any[]) => Error;

export interface Client {
  readonly name: string;
  open(options: SessionOptions): Session;
  /** The class that the client has for a status. */
  readonly errors: Readonly<Record<400 | 401 | 404 | 429 | 502, ErrorClass>>;
  statusOf(error: unknown): number | undefined;
  /** Times that the client asks when the gateway says that it should not ask again. */
  readonly triesWhenTold: number;
  /** Whether it asks again after a 429 that says when. */
  readonly waitsWhenLimited: boolean;
  /** Status that the dialect has for a provider that is overloaded. */
  readonly overloadedStatus: 503 | 529;
}
