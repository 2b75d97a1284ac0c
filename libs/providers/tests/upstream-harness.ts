import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { GatewayError, type ProviderDefinition, type Timeouts } from '@gateway/protocol';
import { onTestFinished } from 'vitest';
import {
  openProvider,
  type ProviderAnswer,
  type ProviderSettings,
  type SendOptions,
} from '../src/index.ts';

export interface UpstreamServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Headers and path of each request, in order. */
  readonly requests: readonly IncomingMessage[];
  /** The body of each request that has come whole. */
  readonly bodies: readonly string[];
}

/** A provider's server on a free loopback port. */
export async function startUpstream(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<UpstreamServer> {
  const requests: IncomingMessage[] = [];
  const bodies: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    let body = '';
    request.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    request.once('end', () => {
      bodies.push(body);
      answer(request, response);
    });
  };
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    bodies,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export const PATIENT: Timeouts = {
  connectMs: 5_000,
  firstByteMs: 5_000,
  idleMs: 5_000,
  totalMs: 10_000,
};
export const KEY = 'provider-key-of-the-test';

export type Answer = Parameters<typeof startUpstream>[0];

export async function upstream(answer: Answer): Promise<UpstreamServer> {
  const server = await startUpstream(answer);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

export function open(
  definition: Partial<ProviderDefinition>,
  settings: Partial<ProviderSettings> = {},
) {
  const provider = openProvider(
    { name: 'vendor', kind: 'openai', ...definition },
    { credential: KEY, connectionsMax: 4, ...settings },
  );
  onTestFinished(() => provider[Symbol.asyncDispose]());
  return provider;
}

export function options(changes: Partial<SendOptions> = {}): SendOptions {
  const { signal } = new AbortController();
  return { requestId: 'request-1', stream: false, timeouts: PATIENT, signal, ...changes };
}

export const request = {
  path: '/chat/completions',
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"model":"m"}'),
};

export async function failure(work: Promise<unknown>): Promise<GatewayError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GatewayError)) throw new Error(`no GatewayError but ${String(error)}`);
  return error;
}

export async function read(answer: ProviderAnswer): Promise<string> {
  let text = '';
  await answer.read((bytes) => {
    text += Buffer.from(bytes).toString('utf8');
    return undefined;
  });
  return text;
}

/** The answer piece by piece: each is taken when it is asked for, and held until the next is. */
export class PieceReader {
  readonly #pieces: { readonly text: string; readonly taken: () => void }[] = [];
  readonly #end: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #taken: () => void = () => undefined;

  constructor(answer: ProviderAnswer) {
    this.#end = answer.read((bytes) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#pieces.push({ text: Buffer.from(bytes).toString('utf8'), taken: resolve });
      this.#wake.resolve();
      return promise;
    });
    this.#end.catch(() => undefined);
  }

  /** Undefined at the end. Throws what ended the reading. */
  async next(): Promise<string | undefined> {
    this.#taken();
    await Promise.race([this.#end, this.#wake.promise]);
    this.#wake = Promise.withResolvers();
    const piece = this.#pieces.shift();
    this.#taken = piece?.taken ?? this.#taken;
    return piece?.text;
  }
}

export const OK: Answer = (_request, response) => void response.end('{"ok":true}');
