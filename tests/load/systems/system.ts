/** What is measured: a gateway that answers, or nothing between driver and upstream. */
import type { ServiceName } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';

export const SYSTEM_NAMES = [
  'direct',
  'bare',
  'bare-bus',
  'embedded',
  'stack',
  'stack-synced',
  'portkey',
] as const;

/**
 * `bare`, `bare-bus`: proxies that do nothing else. `stack-synced`: NATS syncs each event to the disk
 * before it acknowledges it.
 */
export type SystemName = (typeof SYSTEM_NAMES)[number];

export interface SystemOptions {
  readonly upstreamPort: number;
  /** For data and logs; empty at a first start. */
  readonly directory: string;
  /** More settings of our services. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Keys that exist besides those that are used. */
  readonly keys?: number;
  /** Gives the start up. */
  readonly signal: AbortSignal;
}

export type PartName =
  | ServiceName
  | 'nats'
  | 'redis'
  | 'postgres'
  | 'all-in-one'
  | 'portkey'
  | 'bare';

export interface RunningSystem extends AsyncDisposable {
  readonly port: number;
  readonly path: string;
  /** Those of a client whose limits never refuse. */
  readonly headers: Readonly<Record<string, string>>;
  /** Those of a client that every request is refused to; undefined where there are no limits. */
  readonly refusedHeaders?: Readonly<Record<string, string>>;
  /** Every process of the system under test; children count with their parent. */
  readonly parts: Readonly<Partial<Record<PartName, number>>>;
  /** Of the ledger's database, where it is a server. */
  readonly ledgerUrl?: string;
}

/** What every gateway of ours is set to: each feature on, no limit that refuses. */
export function gatewaySettings({ upstreamPort, environment }: SystemOptions) {
  return {
    OPENAI_API_KEY: 'bench',
    OPENAI_BASE_URL: `http://127.0.0.1:${upstreamPort}/v1`,
    RATE_LIMIT_REQUESTS: '1000000000',
    RATE_LIMIT_WINDOW: '3600',
    GATEWAY_API_KEY: CLIENT_KEY,
    GATEWAY_ADMIN_KEY: ADMIN_KEY,
    GATEWAY_LAME_DUCK_SECONDS: '0',
    ...environment,
  };
}

export const CLIENT_KEY = 'a-client-key-of-the-benchmark';
const ADMIN_KEY = 'an-admin-key-of-the-benchmark';
export const CHAT_PATH = '/v1/chat/completions';

export function bearer(key: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${key}` };
}

/** Makes a key and spends the one request that it has in a day. */
export async function refusedKey(baseUrl: string): Promise<string> {
  const post = (path: string, key: string, body: object) =>
    fetch(`${baseUrl}${path}`, {
      method: 'POST',
      headers: { ...bearer(key), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const limit = { requests: 1, window_seconds: 86_400 };
  const made = await post('/admin/v1/keys', ADMIN_KEY, { name: 'refused', limit });
  if (made.status !== 201) throw new Error(`no key: ${made.status} ${await made.text()}`);
  const { key } = (await made.json()) as { key: string };
  const messages = [{ role: 'user', content: 'Hello' }];
  const spent = await post(CHAT_PATH, key, { model: 'openai/bench', messages });
  if (!spent.ok) throw new Error(`no answer: ${spent.status} ${await spent.text()}`);
  await spent.text();
  return key;
}

const LEDGER_TIMEOUT_MS = 60_000;

/** A first start makes its database beside what it answers, in a process that takes 500 MB and ends. */
export async function waitForLedger(baseUrl: string): Promise<void> {
  const url = `${baseUrl}/admin/v1/requests?limit=1`;
  const isThere = async () => (await fetch(url, { headers: bearer(ADMIN_KEY) })).ok;
  await waitFor(isThere, { what: 'the ledger', timeoutMs: LEDGER_TIMEOUT_MS });
}
