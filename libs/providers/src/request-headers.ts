import { USER_AGENT } from './connection-pool.ts';
import type { HttpProviderKind } from './provider-kind.ts';

/** Correlates a provider's log with ours. The one thing of the gateway's inside that goes out. */
const REQUEST_ID_HEADER = 'x-gateway-request-id';

type Headers = Readonly<Record<string, string>>;

/**
 * The headers of requests to one provider, names and values by turns. What is the same in each
 * request is put together once.
 */
export class RequestHeaders {
  readonly #kind: HttpProviderKind;
  readonly #defaults: readonly (readonly [string, string])[];
  readonly #ownOfStream: Headers;
  readonly #ownOfWhole: Headers;

  constructor(kind: HttpProviderKind, credential: string | undefined) {
    this.#kind = kind;
    this.#defaults = Object.entries(kind.defaultHeaders ?? {});
    this.#ownOfStream = this.#own(true, credential);
    this.#ownOfWhole = this.#own(false, credential);
  }

  /**
   * Ours stand above the request's, and those above the defaults of the kind. Names are in lower
   * case. A token takes the place of the credential.
   */
  of(asked: Headers, stream: boolean, requestId?: string, token?: string): string[] {
    const prepared = stream ? this.#ownOfStream : this.#ownOfWhole;
    const own = token === undefined ? prepared : this.#own(stream, token);
    const headers: string[] = [];
    for (const name in own) headers.push(name, own[name] ?? '');
    for (const name in asked) if (!Object.hasOwn(own, name)) headers.push(name, asked[name] ?? '');
    for (const [name, value] of this.#defaults)
      if (!Object.hasOwn(asked, name)) headers.push(name, value);
    if (requestId !== undefined) headers.push(REQUEST_ID_HEADER, requestId);
    return headers;
  }

  #own(stream: boolean, credential: string | undefined): Headers {
    return {
      ...this.#kind.headers(credential),
      accept: stream ? 'text/event-stream' : 'application/json',
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
    };
  }
}
