import type { ProviderRequest, SpokenDialects } from '@gateway/dialects';
import type { ProviderKind, Timeouts } from '@gateway/protocol';
import { Pool } from 'undici';
import { type BaseUrl, parseBaseUrl } from './base-url.ts';
import {
  MODELS_MAX,
  type Provider,
  type ProviderAnswer,
  type ProviderModel,
  type SendOptions,
} from './provider.ts';
import type { HttpProviderKind, ModelPage } from './provider-kind.ts';
import { callUpstream } from './upstream-call.ts';
import { badResponse } from './upstream-error.ts';

const USER_AGENT = 'ai-api-gateway';
/** Correlates a provider's log with ours. The one thing of the gateway's inside that goes out. */
const REQUEST_ID_HEADER = 'x-gateway-request-id';

/** Servers close idle connections too, often after 5 s; a request sent into such a close is lost. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MS_MAX = 60_000;
const HEADER_BYTES_MAX = 32 * 1024;
/** The longest that a configuration may ask for; each call has its own, shorter or equal. */
const CONNECT_MS_MAX = 60_000;

const MODEL_PAGES_MAX = 10;
const MODEL_PAGE_BYTES_MAX = 4 * 1024 * 1024;
const MODEL_LIST_TIMEOUTS: Timeouts = {
  connectMs: 3_000,
  firstByteMs: 8_000,
  idleMs: 5_000,
  totalMs: 10_000,
};

export interface HttpProviderOptions {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly baseUrl: string;
  readonly credential: string | undefined;
  /** Sockets to the provider; further calls wait for one until their connect timeout. */
  readonly connectionsMax: number;
}

/** A provider reached over HTTP/1.1, with a connection pool of its own. */
export class HttpProvider implements Provider {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly dialects: SpokenDialects;
  readonly #kind: HttpProviderKind;
  readonly #baseUrl: BaseUrl;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #pool: Pool;

  constructor(kind: HttpProviderKind, options: HttpProviderOptions) {
    this.name = options.name;
    this.kind = options.kind;
    this.dialects = kind.dialects;
    this.#kind = kind;
    this.#baseUrl = parseBaseUrl(options.baseUrl);
    this.#headers = kind.headers(options.credential);
    this.#pool = new Pool(this.#baseUrl.origin, {
      connections: options.connectionsMax,
      pipelining: 1,
      // A cancelled call has to close its socket, not a stream among others.
      allowH2: false,
      connectTimeout: CONNECT_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
      maxHeaderSize: HEADER_BYTES_MAX,
    });
  }

  get serverAddress(): string {
    return this.#baseUrl.host;
  }

  get serverPort(): number {
    return this.#baseUrl.port;
  }

  send(request: ProviderRequest, options: SendOptions): Promise<ProviderAnswer> {
    return callUpstream(this.#pool, {
      provider: this.name,
      method: request.method ?? 'POST',
      path: this.#baseUrl.pathOf(request.path),
      headers: {
        ...this.#kind.defaultHeaders,
        ...request.headers,
        ...this.#ownHeaders(options.stream ? 'text/event-stream' : 'application/json'),
        [REQUEST_ID_HEADER]: options.requestId,
      },
      ...(request.method === undefined && { body: request.body }),
      timeouts: options.timeouts,
      signal: options.signal,
      onSent: options.onSent,
    });
  }

  async listModels(signal: AbortSignal): Promise<readonly ProviderModel[]> {
    const models: ProviderModel[] = [];
    let path: string | undefined = this.#kind.modelsPath;
    for (let pages = 0; path !== undefined && pages < MODEL_PAGES_MAX; pages++) {
      const page: ModelPage = await this.#readModelPage(path, signal);
      models.push(...page.models);
      if (models.length >= MODELS_MAX) break;
      path = page.nextPath;
    }
    return models.slice(0, MODELS_MAX);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool.destroy();
  }

  async #readModelPage(path: string, signal: AbortSignal): Promise<ModelPage> {
    const answer = await callUpstream(this.#pool, {
      provider: this.name,
      method: 'GET',
      path: this.#baseUrl.pathOf(path),
      headers: { ...this.#kind.defaultHeaders, ...this.#ownHeaders('application/json') },
      timeouts: MODEL_LIST_TIMEOUTS,
      signal,
    });
    const facts = { upstreamStatus: answer.status };
    const body = await answer.readAll(MODEL_PAGE_BYTES_MAX);
    if (answer.status !== 200) throw badResponse(this.name, 'refused to list its models', facts);
    try {
      return this.#kind.readModels(JSON.parse(Buffer.from(body).toString('utf8')));
    } catch (cause) {
      throw badResponse(this.name, 'sent a list of models that cannot be read', {
        ...facts,
        cause,
      });
    }
  }

  #ownHeaders(accept: string): Record<string, string> {
    return {
      ...this.#headers,
      accept,
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
    };
  }
}
