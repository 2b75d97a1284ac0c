import { GatewayError, type Timeouts } from '@gateway/protocol';
import type { Pool } from 'undici';
import { z } from 'zod';
import { openPool, USER_AGENT } from './connection-pool.ts';
import type { ProviderAnswer } from './provider.ts';
import type { ServiceAccount } from './service-account.ts';
import type { StopSignal } from './stop-signal.ts';
import type { TokenSource } from './token-source.ts';
import { callUpstream } from './upstream-call.ts';
import { abortError, timeoutError } from './upstream-error.ts';

/** A token is renewed while it still has this long. */
const RENEWAL_MS = 60_000;
const LIFETIME_SECONDS_MAX = 24 * 60 * 60;
/** Google's own bound is 2 KiB; servers refuse headers of 8 KiB and more. */
const TOKEN_CHARACTERS_MAX = 4 * 1024;
const ANSWER_BYTES_MAX = 64 * 1024;
const TIMEOUTS: Timeouts = {
  connectMs: 5_000,
  firstByteMs: 8_000,
  idleMs: 5_000,
  totalMs: 10_000,
};

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const grant = z.object({
  access_token: z
    .string()
    .max(TOKEN_CHARACTERS_MAX)
    .regex(/^[\x21-\x7e]+$/),
  expires_in: z.number().positive(),
});

/** Google's names of errors are such; of what else an answer says, nothing is repeated. */
const refusal = z.object({ error: z.string().regex(/^[a-z_]{1,64}$/) });

interface AccessToken {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Access tokens of a service account. One renewal runs at a time and all callers wait for it; it
 * belongs to none of them, so a caller that leaves does not end it.
 */
export class ServiceAccountTokens implements TokenSource {
  readonly #provider: string;
  readonly #account: ServiceAccount;
  readonly #path: string;
  readonly #pool: Pool;
  readonly #disposed = new AbortController();
  #token: AccessToken | undefined;
  #renewal: Promise<AccessToken> | undefined;

  constructor(provider: string, account: ServiceAccount) {
    const { origin, pathname, search } = new URL(account.tokenUri);
    this.#provider = provider;
    this.#account = account;
    this.#path = pathname + search;
    this.#pool = openPool(origin, 1);
  }

  async take(signal: StopSignal, waitMsMax: number): Promise<string> {
    if (signal.aborted) throw abortError(signal);
    const token = this.#token;
    if (token !== undefined && token.expiresAt - Date.now() > RENEWAL_MS) return token.text;
    const { text } = await this.#wait(this.#renew(), signal, waitMsMax);
    return text;
  }

  forget(token: string): void {
    if (this.#token?.text === token) this.#token = undefined;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const message = 'The gateway is shutting down.';
    this.#disposed.abort(new GatewayError('shutting_down', message, { provider: this.#provider }));
    await this.#pool.destroy();
  }

  #renew(): Promise<AccessToken> {
    this.#renewal ??= this.#ask()
      .then((token) => {
        this.#token = token;
        return token;
      })
      .finally(() => {
        this.#renewal = undefined;
      });
    return this.#renewal;
  }

  #wait(
    renewal: Promise<AccessToken>,
    signal: StopSignal,
    waitMsMax: number,
  ): Promise<AccessToken> {
    const { promise, resolve, reject } = Promise.withResolvers<AccessToken>();
    const leave = () => reject(abortError(signal));
    const timer = setTimeout(
      () => reject(timeoutError(this.#provider, 'total_timeout')),
      waitMsMax,
    );
    signal.addEventListener('abort', leave, { once: true });
    renewal.then(resolve, reject);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    });
  }

  async #ask(): Promise<AccessToken> {
    const askedAt = Date.now();
    const form = { grant_type: GRANT_TYPE, assertion: this.#account.assertion(askedAt) };
    const answer = await callUpstream(this.#pool, {
      provider: this.#provider,
      method: 'POST',
      path: this.#path,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': USER_AGENT,
      },
      body: Buffer.from(new URLSearchParams(form).toString()),
      timeouts: TIMEOUTS,
      signal: this.#disposed.signal,
    });
    const value = await readAnswer(answer);
    const granted = answer.status === 200 ? grant.safeParse(value) : undefined;
    if (!granted?.success) throw this.#refused(answer.status, value);
    const { access_token: text, expires_in: seconds } = granted.data;
    const lifetimeMs = Math.min(seconds, LIFETIME_SECONDS_MAX) * 1000;
    return { text, expiresAt: askedAt + lifetimeMs };
  }

  #refused(upstreamStatus: number, value: unknown): GatewayError {
    const isTransient = upstreamStatus === 429 || upstreamStatus >= 500;
    const message = `No access token was given for provider ${this.#provider}.`;
    const said = refusal.safeParse(value);
    return new GatewayError(
      isTransient ? 'provider_unavailable' : 'provider_auth_failed',
      message,
      {
        provider: this.#provider,
        upstreamStatus,
        ...(said.success && { detail: said.data.error }),
      },
    );
  }
}

/** The JSON of an answer; undefined for anything else, also for a text that is too long. */
async function readAnswer(answer: ProviderAnswer): Promise<unknown> {
  const bytes = await answer.readStart(ANSWER_BYTES_MAX);
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
