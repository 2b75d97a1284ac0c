/** One planned request, from the socket's side: asked, listened to or left, and told. */
import { type Agent, type IncomingMessage, request } from 'node:http';
import { textDigest } from './checks/content.ts';
import { askedOf, type Heard, hear } from './dialects.ts';
import type { ClientEnd, JournalEntry } from './history.ts';
import { CANARIES, type PlannedRequest, type Tenant } from './workload.ts';

/** More than any deadline and any fault together: who is not answered by then is not answered. */
const PATIENCE_MS = 60_000;

export interface Ingress {
  readonly id: string;
  readonly baseUrl: string;
}

export interface ClientKey {
  readonly id: string;
  readonly text: string;
  readonly tenant: Tenant;
}

interface Seen {
  readonly response: IncomingMessage | undefined;
  readonly body: string;
  readonly isWhole: boolean;
  readonly broke: 'left' | 'silent' | undefined;
}

/** Never rejects. */
export async function ask(
  planned: PlannedRequest,
  { ingress, key, agent }: { ingress: Ingress; key: ClientKey; agent: Agent },
): Promise<JournalEntry> {
  const sentAt = Date.now();
  const seen = await exchange(planned, `${ingress.baseUrl}`, key, agent);
  const endedAt = Date.now();
  const { response, body } = seen;
  const status = response?.statusCode;
  const isStream = /^text\/event-stream/.test(response?.headers['content-type'] ?? '');
  const heard = hear(planned.dialect, isStream, body);
  const isRefusal = status !== undefined && status >= 400;
  const content = isRefusal ? '' : heard.text;
  const marks = [...content.matchAll(/~(\d+)(?=\s|$)/g)].map(([, number]) => Number(number));
  const headerOf = (name: string) => response?.headers[name] as string | undefined;
  const requestId = headerOf('x-request-id');
  const cache = headerOf('x-gateway-cache');
  const attempts = headerOf('x-gateway-attempts');
  const { nonce, dialect, model, stream, kind, directive, repeatedAs } = planned;
  return {
    ...{ nonce, ingress: ingress.id, tenant: key.tenant, keyId: key.id },
    ...{ dialect, model, stream, kind, directive, repeatedAs, sentAt, endedAt },
    ...(requestId !== undefined && { requestId }),
    ...(status !== undefined && { status }),
    end: endOf(seen, heard, isStream),
    ...(heard.error?.code !== undefined && { errorCode: heard.error.code }),
    ...(heard.error?.message !== undefined && { errorMessage: heard.error.message }),
    contentDigest: textDigest(content),
    contentLength: content.length,
    calls: [...new Set(marks)],
    ...(cache !== undefined && { cache }),
    ...(attempts !== undefined && { attempts: Number(attempts) }),
    foreignCanaries: Object.entries(CANARIES)
      .filter(([tenant, canary]) => tenant !== key.tenant && body.includes(canary))
      .map(([, canary]) => canary),
  };
}

function endOf({ response, isWhole, broke }: Seen, heard: Heard, isStream: boolean): ClientEnd {
  const status = response?.statusCode;
  if (status === undefined) return broke ?? 'unreachable';
  if (status >= 400 && isWhole && heard.error !== undefined) return 'refused';
  if (isStream && heard.error !== undefined) return 'interrupted';
  if (status === 200 && isWhole && heard.hasEnd) return 'complete';
  return broke ?? 'broken';
}

function exchange(
  planned: PlannedRequest,
  baseUrl: string,
  key: ClientKey,
  agent: Agent,
): Promise<Seen> {
  const { path, headers, body } = askedOf(planned, key.text);
  const text = JSON.stringify(body);
  let response: IncomingMessage | undefined;
  let broke: Seen['broke'];
  const pieces: Buffer[] = [];
  return new Promise((resolve) => {
    const asking = request(`${baseUrl}${path}`, {
      method: 'POST',
      agent,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'user-agent': `torture/${planned.nonce}`,
        ...headers,
      },
    });
    const breakOff = (why: 'left' | 'silent') => () => {
      broke = why;
      asking.destroy();
    };
    const patience = setTimeout(breakOff('silent'), PATIENCE_MS);
    const { leavesAfterMs } = planned;
    const leaving =
      leavesAfterMs === undefined ? undefined : setTimeout(breakOff('left'), leavesAfterMs);
    asking.once('response', (come) => {
      response = come;
      come.on('data', (piece: Buffer) => pieces.push(piece));
      come.on('error', () => undefined);
    });
    // `close` comes after all that was received, and says the same for every way to end.
    asking.on('error', () => undefined);
    asking.once('close', () => {
      clearTimeout(patience);
      clearTimeout(leaving);
      const isWhole = response?.complete ?? false;
      resolve({ response, isWhole, broke, body: Buffer.concat(pieces).toString('utf8') });
    });
    asking.end(text);
  });
}
