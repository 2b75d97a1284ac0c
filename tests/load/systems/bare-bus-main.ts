/**
 * What Node, NATS and Redis themselves cost: a proxy whose parts are the processes of the stack, with the
 * messages of a request between them, and nothing else. No keys, no checks, no dialects, no deadlines;
 * nobody reads what JetStream stores.
 *
 *   node bare-bus-main.ts ingress|rate-limiter|cache|provider-worker NATS REDIS UPSTREAM
 *
 * The ingress says the port that it listens on, the others that they are ready.
 */
import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { jetstream } from '@nats-io/jetstream';
import { connect, type Msg } from '@nats-io/transport-node';
import { Redis } from 'ioredis';

const BACKLOG = 4_096;
const TTL_SECONDS = 60;
const TIMEOUT_MS = 10_000;
const NOTHING = new Uint8Array();
/** About what an event of ours takes. */
const EVENT = Buffer.alloc(400, 'e');

const [, , part = '', natsUrl = '', redisUrl = '', upstreamUrl = ''] = process.argv;
const nats = await connect({ servers: natsUrl });
const events = jetstream(nats);
let lastNumber = 0;

const PARTS: Readonly<Record<string, () => Promise<string>>> = {
  ingress: serveClients,
  'rate-limiter': serveLimits,
  cache: serveAnswers,
  'provider-worker': serveProvider,
};

const start = PARTS[part];
if (start === undefined) throw new RangeError(`there is no part ${part}`);
const said = await start();
await nats.flush();
process.stdout.write(`${said}\n`);

function openRedis(): Redis {
  return new Redis(redisUrl, { enableAutoPipelining: true });
}

function nextNumber(): number {
  lastNumber += 1;
  return lastNumber;
}

/** The first message of an answer is its head, an empty one its end. */
async function serveClients(): Promise<string> {
  const answers = new Map<string, ServerResponse>();
  nats.subscribe('answers.*', {
    callback: (_, message) => {
      const response = answers.get(message.subject);
      if (response === undefined) return;
      if (!response.headersSent) {
        const { status, headers } = message.json<{
          status: number;
          headers: OutgoingHttpHeaders;
        }>();
        response.writeHead(status, headers);
      } else if (message.data.length > 0) {
        response.write(message.data);
      } else {
        response.end();
        void events.publish('events.finished', EVENT);
      }
    },
  });
  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const pieces: Buffer[] = [];
    for await (const piece of incoming) pieces.push(piece);
    const reply = `answers.${nextNumber()}`;
    await Promise.all([
      nats.request('limit', 'key', { timeout: TIMEOUT_MS }),
      // Finds nothing, as a request that nobody has made before.
      nats.request('lookup', reply, { timeout: TIMEOUT_MS }),
      events.publish('events.received', EVENT),
    ]);
    answers.set(reply, response);
    response.once('close', () => answers.delete(reply));
    nats.publish('infer', Buffer.concat(pieces), { reply });
  };
  const server = createServer({ noDelay: true }, (incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG });
  await once(server, 'listening');
  return `listening ${(server.address() as AddressInfo).port}`;
}

async function serveLimits(): Promise<string> {
  const redis = openRedis();
  const count = async (message: Msg) => message.respond(String(await redis.incr('requests')));
  nats.subscribe('limit', { queue: part, callback: (_, message) => void count(message) });
  return 'ready';
}

async function serveAnswers(): Promise<string> {
  const redis = openRedis();
  const lookUp = async (message: Msg) =>
    message.respond((await redis.getBuffer(message.string())) ?? NOTHING);
  const store = ({ data }: Msg) =>
    redis.set(`answer-${nextNumber()}`, Buffer.from(data), 'EX', TTL_SECONDS);
  nats.subscribe('lookup', { queue: part, callback: (_, message) => void lookUp(message) });
  nats.subscribe('store', { queue: part, callback: (_, message) => void store(message) });
  return 'ready';
}

async function serveProvider(): Promise<string> {
  const agent = new Agent({ keepAlive: true });
  const url = new URL('/v1/chat/completions', upstreamUrl);
  const relay = async ({ reply = '' }: Msg, answer: IncomingMessage) => {
    const { statusCode: status = 500, headers } = answer;
    nats.publish(reply, JSON.stringify({ status, headers }));
    let last: Uint8Array = NOTHING;
    for await (const piece of answer) {
      last = piece;
      nats.publish(reply, last);
    }
    nats.publish('store', last);
    await events.publish('events.attempted', EVENT);
    nats.publish(reply, NOTHING);
  };
  nats.subscribe('infer', {
    queue: part,
    callback: (_, message) => {
      const { data } = message;
      const headers = { 'content-type': 'application/json', 'content-length': data.length };
      const onward = request(url, { agent, method: 'POST', headers });
      onward.once('response', (answer) => void relay(message, answer));
      onward.once('error', () => {
        nats.publish(message.reply ?? '', JSON.stringify({ status: 502, headers: {} }));
        nats.publish(message.reply ?? '', NOTHING);
      });
      onward.end(data);
    },
  });
  return 'ready';
}
