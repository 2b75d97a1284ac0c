import type { ProviderRequest, SpokenDialects } from '@gateway/dialects';
import type { ProviderKind, Timeouts } from '@gateway/protocol';
import type { Pool } from 'undici';
import { type BaseUrl, parseBaseUrl, withQuery } from './base-url.ts';
import { openPool } from './connection-pool.ts';
import {
  MODELS_MAX,
  type Provider,
  type ProviderAnswer,
  type ProviderModel,
  type SendOptions,
} from './provider.ts';
import type { HttpProviderKind, ModelPage } from './provider-kind.ts';
import { RequestHeaders } from './request-headers.ts';
import type { TokenSource } from './token-source.ts';
import { callUpstream } from './upstream-call.ts';
import { badResponse } from './upstream-error.ts';

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
  readonly query?: Readonly<Record<string, string>> | undefined;
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
  readonly #query: string;
  readonly #headers: RequestHeaders;
  readonly #tokens: TokenSource | undefined;
  readonly #pool: Pool;

  constructor(kind: HttpProviderKind, options: HttpProviderOptions) {
    this.name = options.name;
    this.kind = options.kind;
    this.dialects = kind.dialects;
    this.#kind = kind;
    this.#baseUrl = parseBaseUrl(options.baseUrl);
    this.#query = new URLSearchParams(options.query).toString();
    this.#headers = new RequestHeaders(kind, options.credential);
    this.#tokens =
      options.credential === undefined
        ? undefined
        : kind.openTokens?.(options.name, options.credential);
    this.#pool = openPool(this.#baseUrl.origin, options.connectionsMax);
  }

  get serverAddress(): string {
    return this.#baseUrl.host;
  }

  get serverPort(): number {
    return this.#baseUrl.port;
  }

  send(asked: ProviderRequest, options: SendOptions): Promise<ProviderAnswer> {
    const isSentAsItIs = this.#kind.adapt === undefined && this.#tokens === undefined;
    if (isSentAsItIs) return this.#call(asked, options, options.timeouts);
    return this.#sendPrepared(asked, options);
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

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#tokens?.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#tokens?.[Symbol.asyncDispose]()]);
  }

  async #sendPrepared(asked: ProviderRequest, options: SendOptions): Promise<ProviderAnswer> {
    const request = this.#kind.adapt?.(asked) ?? asked;
    const { timeouts, signal } = options;
    if (this.#tokens === undefined) return this.#call(request, options, timeouts);
    const begunAtMs = performance.now();
    const token = await this.#tokens.take(signal, timeouts.totalMs);
    const answer = await this.#call(request, options, shortened(timeouts, begunAtMs), token);
    if (answer.status === 401) this.#tokens.forget(token);
    return answer;
  }

  #call(
    { method, path, headers, body }: ProviderRequest,
    { stream, requestId, signal, onSent }: SendOptions,
    timeouts: Timeouts,
    token?: string,
  ): Promise<ProviderAnswer> {
    return callUpstream(this.#pool, {
      provider: this.name,
      method: method ?? 'POST',
      path: this.#pathOf(path),
      headers: this.#headers.of(headers, stream, requestId, token),
      body: method === undefined ? body : undefined,
      timeouts,
      signal,
      onSent,
    });
  }

  #pathOf(path: string): string {
    return withQuery(this.#baseUrl.pathOf(path), this.#query);
  }

  async #readModelPage(path: string, signal: AbortSignal): Promise<ModelPage> {
    const answer = await callUpstream(this.#pool, {
      provider: this.name,
      method: 'GET',
      path: this.#pathOf(path),
      headers: this.#headers.of({}, false),
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
}

/** The total covers the wait for a token, too. */
function shortened(timeouts: Timeouts, begunAtMs: number): Timeouts {
  const waitedMs = Math.ceil(performance.now() - begunAtMs);
  return { ...timeouts, totalMs: Math.max(1, timeouts.totalMs - waitedMs) };
}
