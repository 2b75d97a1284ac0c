/**
 * A provider that answers at once and costs next to nothing: the same bytes for every request, off a
 * bare socket. A model named `gpt-bench-stream-<chunks>x<interval in ms>` is answered with a stream whose
 * chunks say when they were written; interval 0 sends each as soon as the one before it is written.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { stamp } from './stamps.ts';

/** Of a body, where the model and the options of streaming stand. */
const LOOKED_AT_BYTES = 2_048;
const HEAD_END = Buffer.from('\r\n\r\n');
const STREAM = /"gpt-bench-stream-(\d+)x(\d+)"/;
const HEAD_BYTES_MAX = 64 * 1024;

const MODEL = 'bench';
const USAGE = { prompt_tokens: 200, completion_tokens: 20, total_tokens: 220 };
const CREATED = 1_790_000_000;

const plainAnswer = (() => {
  const body = JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: CREATED,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'An answer of a few words, as they are sent often.',
        },
        finish_reason: 'stop',
      },
    ],
    usage: USAGE,
  });
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: keep-alive\r\n';
  return Buffer.from(`${head}content-length: ${body.length}\r\n\r\n${body}`);
})();

const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: keep-alive\r\n' +
  'transfer-encoding: chunked\r\n\r\n';

function event(data: string): string {
  const text = `data: ${data}\n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

const chunk = (fields: object) =>
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: CREATED,
    model: MODEL,
    ...fields,
  });
const contentChunk = (content: string) =>
  chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const LAST_CHUNK = event(chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
const USAGE_CHUNK = event(chunk({ choices: [], usage: USAGE }));
const DONE = `${event('[DONE]')}0\r\n\r\n`;

export interface Upstream extends AsyncDisposable {
  readonly port: number;
}

export async function startUpstream(): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function serve(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  /** Of the present body; undefined while its head is awaited. */
  let left: number | undefined;
  let start = '';
  socket.on('data', (bytes: Buffer) => {
    let input = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
    rest = Buffer.alloc(0);
    while (input.length > 0 || left === 0) {
      if (left === undefined) {
        const end = input.indexOf(HEAD_END);
        if (end === -1) {
          if (input.length > HEAD_BYTES_MAX) socket.destroy();
          rest = input;
          return;
        }
        const length = /\r\ncontent-length: *(\d+)/i.exec(input.toString('latin1', 0, end))?.[1];
        left = Number(length ?? 0);
        if (length === undefined) socket.end('HTTP/1.1 411 Length Required\r\n\r\n');
        input = input.subarray(end + HEAD_END.length);
        start = '';
      }
      const body = input.length > left ? input.subarray(0, left) : input;
      if (start.length < LOOKED_AT_BYTES) start += body.toString('latin1', 0, LOOKED_AT_BYTES);
      left -= body.length;
      input = input.subarray(body.length);
      if (left > 0) return;
      left = undefined;
      answer(socket, start);
    }
  });
}

function answer(socket: Socket, start: string): void {
  const stream = start.includes('"gpt-bench-stream-') ? STREAM.exec(start) : null;
  if (stream === null) {
    socket.write(plainAnswer);
    return;
  }
  const usage = start.includes('"include_usage"') ? USAGE_CHUNK : '';
  const end = LAST_CHUNK + usage + DONE;
  sendStream(socket, { chunks: Number(stream[1]), intervalMs: Number(stream[2]), end });
}

interface StreamSent {
  readonly chunks: number;
  readonly intervalMs: number;
  readonly end: string;
}

function sendStream(socket: Socket, { chunks, intervalMs, end }: StreamSent): void {
  let sent = 0;
  const next = () => event(contentChunk(` ${stamp()}`));
  /** Whether there is more to send. */
  const sendOne = () => {
    if (socket.destroyed) return false;
    sent += 1;
    socket.write(sent < chunks ? next() : next() + end, 'latin1');
    return sent < chunks;
  };
  socket.write(STREAM_HEAD, 'latin1');
  if (!sendOne()) return;
  if (intervalMs === 0) {
    const sendAll = () => {
      if (sendOne()) setImmediate(sendAll);
    };
    setImmediate(sendAll);
    return;
  }
  // Streams that begin together do not go on in step.
  setTimeout(() => {
    if (!sendOne()) return;
    const timer = setInterval(() => {
      if (!sendOne()) clearInterval(timer);
    }, intervalMs);
  }, Math.random() * intervalMs);
}
