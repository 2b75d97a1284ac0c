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
  /** What the last request asked, and what became of it without the parts of that request alone. */
  #last:
    | { readonly asked: Headers; readonly stream: boolean; readonly headers: string[] }
    | undefined;

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
    const headers = this.#common(asked, stream, token);
    if (requestId !== undefined) headers.push(REQUEST_ID_HEADER, requestId);
    return headers;
  }

  #common(asked: Headers, stream: boolean, token: string | undefined): string[] {
    if (token !== undefined) return this.#merged(asked, this.#own(stream, token));
    if (this.#last?.asked === asked && this.#last.stream === stream) {
      return this.#last.headers.slice();
    }
    const headers = this.#merged(asked, stream ? this.#ownOfStream : this.#ownOfWhole);
    this.#last = { asked, stream, headers };
    return headers.slice();
  }

  #merged(asked: Headers, own: Headers): string[] {
    const headers: string[] = [];
    for (const name in own) headers.push(name, own[name] ?? '');
    for (const name in asked) if (!Object.hasOwn(own, name)) headers.push(name, asked[name] ?? '');
    for (const [name, value] of this.#defaults)
      if (!Object.hasOwn(asked, name)) headers.push(name, value);
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
