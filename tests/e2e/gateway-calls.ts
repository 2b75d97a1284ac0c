/** What tests ask of a gateway: as a client through the official SDK or raw HTTP, and as an operator. */
import type { AuditPage, AuditRow } from '@gateway/protocol';
import { type Simulator, waitFor } from '@gateway/testing';
import OpenAI, { type ClientOptions } from 'openai';
import { type Gateway, PROMPT_CANARY } from './gateway.ts';

/** Events that a killed audit-writer had taken are delivered again after 30 s. */
export const AUDIT_TIMEOUT_MS = 60_000;

/** One model of each vendor, all of them with a known price. */
export const MODELS = [
  { provider: 'openai', model: 'gpt-4o-mini' },
  { provider: 'anthropic', model: 'claude-sonnet-4-5' },
  { provider: 'google', model: 'gemini-2.5-flash' },
] as const;

/** The official client as an application would make it, but without retries of its own. */
export function openaiClient(
  { baseUrl, clientKey }: Pick<Gateway, 'baseUrl' | 'clientKey'>,
  options: ClientOptions = {},
): OpenAI {
  return new OpenAI({ apiKey: clientKey, baseURL: `${baseUrl}/v1`, maxRetries: 0, ...options });
}

/** A user message that no log may hold. Words like `sim:status=429` steer the simulator. */
export function prompt(text: string): { role: 'user'; content: string } {
  return { role: 'user', content: `${PROMPT_CANARY} ${text}` };
}

export function echoOf({ content }: { readonly content: string }): string {
  return `Echo: ${content}`;
}

export interface CreatedKey {
  readonly id: string;
  readonly key: string;
}

export interface NewKey {
  readonly name?: string;
  readonly tenant?: string;
  readonly limit?: { readonly requests: number; readonly window_seconds: number };
}

/** Creates a client key through the admin API. */
export async function createKey(gateway: Gateway, wanted: NewKey = {}): Promise<CreatedKey> {
  const response = await admin(gateway, '/admin/v1/keys', {
    method: 'POST',
    body: JSON.stringify({ name: 'a key of a test', ...wanted }),
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as CreatedKey;
}

export function admin(
  { baseUrl, adminKey }: Pick<Gateway, 'baseUrl' | 'adminKey'>,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = {
    authorization: `Bearer ${adminKey}`,
    ...(init.body && { 'content-type': 'application/json' }),
  };
  return fetch(`${baseUrl}${path}`, { ...init, headers });
}

/** A page of the audit. Rejects when the gateway refuses the query. */
export async function audit(gateway: Gateway, query: Record<string, string>): Promise<AuditPage> {
  const response = await admin(gateway, `/admin/v1/requests?${new URLSearchParams(query)}`);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as AuditPage;
}

/** The rows of a query, newest first, page by page to the end. */
export async function* auditPages(
  gateway: Gateway,
  query: Record<string, string>,
): AsyncGenerator<readonly AuditRow[]> {
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: AuditPage = await audit(gateway, { ...query, ...(cursor && { cursor }) });
    yield page.data;
    cursor = page.next_cursor;
  }
}

/** The finished rows of a key, newest first, as soon as there are so many. */
export function rowsOf(gateway: Gateway, keyId: string, count: number): Promise<AuditRow[]> {
  const finished = async () => {
    const { data } = await audit(gateway, { key: keyId, limit: '200' });
    return data.length >= count && data.every(({ status }) => status !== null) ? data : undefined;
  };
  const what = `${count} finished rows of ${keyId}`;
  return waitFor(finished, { what, timeoutMs: AUDIT_TIMEOUT_MS, intervalMs: 50 });
}

/** The finished row of one request. */
export function rowOf(gateway: Gateway, requestId: string): Promise<AuditRow> {
  const finished = async () => {
    const row = await findRow(gateway, requestId);
    return row?.status === null ? undefined : row;
  };
  const what = `the finished row of ${requestId}`;
  return waitFor(finished, { what, timeoutMs: AUDIT_TIMEOUT_MS, intervalMs: 50 });
}

/**
 * Looks through all pages: who asks again and again while the audit cannot be read is refused, and each
 * of these refusals is a newer row.
 */
async function findRow(gateway: Gateway, requestId: string): Promise<AuditRow | undefined> {
  for await (const rows of auditPages(gateway, { limit: '200' })) {
    const row = rows.find((candidate) => candidate.request_id === requestId);
    if (row !== undefined) return row;
  }
  return undefined;
}

/** The calls that a request led to, as the provider counted them. */
export function callsOf({ ledger }: Simulator, requestId: string) {
  return ledger.filter(({ headers }) => headers['x-gateway-request-id'] === requestId);
}

/** A raw POST, for what the official client would not send. */
export function post(
  { baseUrl, clientKey }: Pick<Gateway, 'baseUrl' | 'clientKey'>,
  body: unknown,
  init: Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: {
      authorization: `Bearer ${clientKey}`,
      'content-type': 'application/json',
      ...init.headers,
    },
  });
}

export function requestIdOf(response: Pick<Response, 'headers'>): string {
  const id = response.headers.get('x-request-id');
  if (id === null) throw new Error('The answer has no request id.');
  return id;
}
