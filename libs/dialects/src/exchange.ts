/**
 * One exchange with a provider: what is sent, and how what comes back becomes the client's bytes.
 *
 * The caller moves bytes; which dialects are on the two sides, and whether bytes pass through or
 * are translated by way of chat completions, is decided here. An exchange is made for one attempt
 * and holds its state.
 */
import type {
  ClientDialect,
  GatewayError,
  Operation,
  PassedHeaders,
  Usage,
} from '@gateway/protocol';
import type { StateOptions } from './responses/response-id.ts';

/** A dialect that providers speak. */
export type ProviderDialect = 'chat' | 'messages' | 'gemini' | 'responses';

/** A dialect that other clients reach by translation. */
export type HubDialect = Exclude<ProviderDialect, 'responses'>;

/** What one provider speaks; the first is what clients of other dialects are translated to. */
export type SpokenDialects = readonly [HubDialect, ...ProviderDialect[]];

export interface ExchangeOptions {
  readonly client: ClientDialect;
  /** `generate` when absent. */
  readonly operation?: Operation | undefined;
  readonly provider: ProviderDialect;
  /** The client's request body. */
  readonly body: Uint8Array;
  /** The provider's name of the model. */
  readonly model: string;
  readonly stream: boolean;
  /** Whether the client asked for a usage chunk at the end of its stream. */
  readonly includeUsage: boolean;
  /** Clients of responses alone: whose ids of kept responses these are, and of which provider. */
  readonly state?: StateOptions | undefined;
  /** Of the client's headers those that a provider of the same dialect gets, too. */
  readonly headers?: PassedHeaders | undefined;
  /** Google's clients alone: the stream is a JSON array rather than events. */
  readonly arrayStream?: boolean | undefined;
}

export interface ProviderRequest {
  /** `POST` when absent. */
  readonly method?: 'GET' | 'DELETE';
  /** Joined to the provider's base URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What an answer says of itself, as far as it has been read. */
export interface AnswerFacts {
  /** As the provider reported it, in our definition; absent while it has reported none. */
  readonly usage?: Usage;
  /** In OpenAI's terms: `stop`, `length`, `tool_calls`, `content_filter`. */
  readonly finishReasons: readonly string[];
  readonly responseModel?: string;
  readonly responseId?: string;
  /**
   * Characters of text, reasoning and tool arguments so far: what an estimate of lost usage is made
   * of.
   */
  readonly outputCharacters: number;
}

/** Client bytes of a streamed answer, as the provider's bytes come. */
export interface AnswerStream {
  /**
   * Any split of the provider's bytes, to whole events of the client's stream, possibly none.
   * Throws a GatewayError when the provider says an error in its stream, or what it says cannot be
   * read.
   */
  push(bytes: Uint8Array): Uint8Array;
  /**
   * The rest, after the provider's last byte. Throws `stream_interrupted` when the provider never
   * said that the answer is complete.
   */
  end(): Uint8Array;
  /** True once the provider has said that the answer is complete. */
  readonly complete: boolean;
}

export interface Exchange {
  readonly request: ProviderRequest;
  /** The client's body where the provider is not asked at all. */
  readonly ownAnswer?: Uint8Array;
  /** Media type of the client's answer. */
  readonly contentType: string;
  readonly facts: AnswerFacts;
  /** The client's body for a whole answer of status 2xx. Throws `provider_bad_response`. */
  answer(body: Uint8Array): Uint8Array;
  stream(): AnswerStream;
  /** The error in a provider's answer of another status; the body may be anything. */
  error(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): GatewayError;
}
