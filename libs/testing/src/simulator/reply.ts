/** Sends an answer, with the faults that the request asked for. */
import type { Answer } from './answer.ts';
import type { Directives } from './directives.ts';
import type { Exchange } from './exchange.ts';
import type { AnswerContext, ErrorReply, StreamEvent, Vendor } from './vendor.ts';

const HTML_PAGE =
  '<html>\r\n<head><title>Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n';
const BROKEN_JSON = '{"id":"broken","choices":[{"index":0,"del';

export interface Reply {
  readonly vendor: Vendor;
  readonly exchange: Exchange;
  readonly directives: Directives;
  readonly context: AnswerContext;
}

/** Sends an error of the vendor, or the page of a proxy in front of it. */
export async function sendError(
  exchange: Exchange,
  reply: ErrorReply,
  asHtml = false,
): Promise<void> {
  const body = asHtml ? HTML_PAGE : reply.body;
  const headers = asHtml ? { ...reply.headers, 'content-type': 'text/html' } : reply.headers;
  await sendBody(exchange, reply.status, headers, body);
}

/** Sends a body of known length. */
export async function sendBody(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<void> {
  exchange.head(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  await exchange.write(body);
  exchange.end();
}

function half(length: number): number {
  return Math.ceil(length / 2);
}

async function sendWhole({ vendor, exchange, directives, context }: Reply): Promise<void> {
  const body = JSON.stringify(vendor.body(context));
  const headers = { 'content-type': 'application/json', ...vendor.answerHeaders(context.id) };
  if (directives.malformed) return sendBody(exchange, 200, headers, BROKEN_JSON);
  const isPartial = typeof directives.cut === 'number' || directives.hang !== undefined;
  if (isPartial) {
    exchange.head(200, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
    if (directives.hang === 'headers') return exchange.hang();
    if (directives.cut !== 0) await exchange.write(body.slice(0, half(body.length)));
    return directives.hang === undefined ? exchange.cut() : exchange.hang();
  }
  if (context.withUsage) exchange.entry.usage = context.answer.usage;
  return sendBody(exchange, 200, headers, body);
}

/** The events as they will be sent, the fault in the middle included. */
function plannedEvents({ vendor, directives, context }: Reply): StreamEvent[] {
  const events = vendor.events(context);
  const middle = half(events.length);
  if (directives.streamError) return [...events.slice(0, middle), vendor.streamError(context)];
  if (directives.malformed) {
    const broken = { wire: vendor.frame(BROKEN_JSON) };
    return [...events.slice(0, middle), broken, ...events.slice(middle)];
  }
  return events;
}

async function sendStream(reply: Reply): Promise<void> {
  const { vendor, exchange, directives, context } = reply;
  const events = plannedEvents(reply);
  exchange.head(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...vendor.answerHeaders(context.id),
  });
  if (directives.hang === 'headers') await exchange.hang();
  const hangAt = directives.hang === 'mid-stream' ? half(events.length) : undefined;
  for (const [index, event] of events.entries()) {
    if (index === directives.cut) await exchange.cut();
    if (index === hangAt) await exchange.hang();
    if (directives.dripMs !== undefined && index > 0) await exchange.pause(directives.dripMs);
    await exchange.write(event.wire);
    exchange.entry.events += 1;
    if (event.hasUsage) exchange.entry.usage = context.answer.usage;
  }
  if (typeof directives.cut === 'number') await exchange.cut();
  exchange.end();
}

/** Sends the answer, whole or as a stream. */
export async function sendAnswer(reply: Reply): Promise<void> {
  const { exchange, context, directives } = reply;
  const { answer, conversation } = context;
  exchange.sliceBytes = directives.sliceBytes;
  exchange.entry.text = textOf(answer);
  await (conversation.stream ? sendStream(reply) : sendWhole(reply));
}

function textOf({ pieces }: Answer): string {
  return pieces.join('');
}
