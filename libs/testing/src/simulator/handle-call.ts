import { createHash } from 'node:crypto';
import { isObject, type JsonObject } from '../json-value.ts';
import { type Answer, answerTo } from './answer.ts';
import { InvalidRequestError, lastUserText } from './conversation.ts';
import { DirectiveError, type Directives, parseDirectives } from './directives.ts';
import type { Exchange } from './exchange.ts';
import { sendAnswer, sendBody, sendError } from './reply.ts';
import type { GenerateOperation, KeptOperation, PlainReply, Vendor } from './vendor.ts';

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const FAILURES_MAX = 10_000;
const ID_CHARACTERS = 24;

export interface CallSettings {
  /** The keys that are accepted; undefined: any. */
  readonly keys: readonly string[] | undefined;
  /** What holds for every call that does not say otherwise. */
  readonly defaults: Pick<Directives, 'delayMs' | 'dripMs'>;
  /** How often each text failed, for `status=…xN-then-ok`. */
  readonly failures: Map<string, number>;
}

async function readBody(exchange: Exchange): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  const digest = createHash('sha256');
  for await (const chunk of exchange.request as AsyncIterable<Buffer>) {
    exchange.entry.bodyBytes += chunk.length;
    if (exchange.entry.bodyBytes > BODY_BYTES_MAX) return undefined;
    digest.update(chunk);
    chunks.push(chunk);
  }
  exchange.entry.bodyDigest = digest.digest('hex');
  return Buffer.concat(chunks);
}

function parseBody(body: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new InvalidRequestError('We could not parse the JSON body of your request.');
  }
  if (!isObject(value)) throw new InvalidRequestError('The body must be a JSON object.');
  return value;
}

/** Whether this call is one of those that fail. */
function fails(directives: Directives, text: string, failures: Map<string, number>): boolean {
  if (directives.status === undefined) return false;
  const { times } = directives.status;
  if (times === undefined) return true;
  const count = failures.get(text) ?? 0;
  if (count >= times) return false;
  if (failures.size >= FAILURES_MAX) failures.clear();
  failures.set(text, count + 1);
  return true;
}

/** So that any part of an answer tells the call that it is of, even when another says the same. */
function marked(answer: Answer, call: number): Answer {
  return { ...answer, pieces: answer.pieces.map((piece) => `${piece}~${call}`) };
}

async function generate(
  vendor: Vendor,
  exchange: Exchange,
  operation: GenerateOperation,
  settings: CallSettings,
): Promise<void> {
  const { entry } = exchange;
  const body = await readBody(exchange);
  if (body === undefined) return sendError(exchange, vendor.error({ status: 413 }));
  const asked = parseBody(body);
  const conversation = vendor.parse(asked, operation);
  entry.model = conversation.model;
  entry.stream = conversation.stream;
  const text = lastUserText(conversation);
  const directives = { ...settings.defaults, ...parseDirectives(conversation.model, text) };

  if (directives.cut === 'first-byte') return exchange.cut();
  if (directives.hang === 'first-byte') return exchange.hang();
  if (directives.delayMs !== undefined) await exchange.pause(directives.delayMs);
  const failureKey = `${vendor.name} ${conversation.model} ${text}`;
  if (directives.status !== undefined && fails(directives, failureKey, settings.failures)) {
    const { status } = directives.status;
    const reply = vendor.error({ status, retryAfterSeconds: directives.retryAfterSeconds });
    return sendError(exchange, reply, directives.html);
  }
  const said = answerTo(conversation, directives, vendor.toolCallIdPrefix);
  const answer = directives.markCall ? marked(said, entry.id) : said;
  const id = createHash('sha256').update(`${entry.id} ${entry.bodyDigest}`).digest('hex');
  entry.answerId = id.slice(0, ID_CHARACTERS);
  const withUsage = !directives.withoutUsage;
  const context = {
    conversation,
    answer,
    id: entry.answerId,
    withUsage,
    operation,
    request: asked,
  };
  return sendAnswer({ vendor, exchange, directives, context });
}

async function answerPlainly(
  vendor: Vendor,
  exchange: Exchange,
  answer: (body: JsonObject) => PlainReply | undefined,
): Promise<void> {
  const body = await readBody(exchange);
  if (body === undefined) return sendError(exchange, vendor.error({ status: 413 }));
  const answered = answer(parseBody(body));
  if (answered === undefined) return sendError(exchange, vendor.error({ status: 404 }));
  const { model, reply, inputTokens } = answered;
  exchange.entry.model = model;
  exchange.entry.usage = { input: inputTokens, output: 0, cached: 0, reasoning: 0 };
  await sendBody(exchange, 200, { 'content-type': 'application/json' }, JSON.stringify(reply));
}

async function answerKept(
  vendor: Vendor,
  exchange: Exchange,
  operation: KeptOperation,
): Promise<void> {
  const found = vendor.kept?.(operation);
  if (found === undefined) {
    const message = `Response with id '${operation.id}' not found.`;
    return sendError(exchange, vendor.error({ status: 404, message }));
  }
  await sendBody(exchange, 200, { 'content-type': 'application/json' }, JSON.stringify(found));
}

/** Answers one call of a vendor's API. `url` is without the simulator's own prefix. */
export async function handleCall(
  vendor: Vendor,
  exchange: Exchange,
  url: URL,
  settings: CallSettings,
): Promise<void> {
  const { request } = exchange;
  const key = vendor.keyOf(request.headers, url);
  if (key === undefined || (settings.keys !== undefined && !settings.keys.includes(key))) {
    return sendError(exchange, vendor.keyRefused(key));
  }
  const complaint = vendor.checkHeaders(request.headers);
  if (complaint !== undefined) {
    return sendError(exchange, vendor.error({ status: 400, message: complaint }));
  }
  const operation = vendor.operationOf(request.method ?? '', url.pathname, url);
  try {
    switch (operation?.kind) {
      case 'generate':
        return await generate(vendor, exchange, operation, settings);
      case 'embeddings':
        return await answerPlainly(vendor, exchange, (body) => vendor.embed?.(body, operation));
      case 'count-tokens':
        return await answerPlainly(vendor, exchange, (body) =>
          vendor.countTokens?.(body, operation),
        );
      case 'kept':
        return await answerKept(vendor, exchange, operation);
      case 'models': {
        const body = JSON.stringify(vendor.modelList());
        return await sendBody(exchange, 200, { 'content-type': 'application/json' }, body);
      }
      default:
        return await sendError(exchange, vendor.error({ status: 404 }));
    }
  } catch (error) {
    const isRefusal = error instanceof InvalidRequestError || error instanceof DirectiveError;
    if (!isRefusal) throw error;
    const parameter = error instanceof InvalidRequestError ? error.parameter : null;
    const { message } = error;
    return sendError(exchange, vendor.error({ status: 400, message, parameter }));
  }
}
