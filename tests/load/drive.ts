/** Sends the load over connections that stay open, and measures what comes back. */
import { connect, type Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';
import { COUNTER, type Load, type LoadResult } from './load.ts';
import { Samples } from './percentiles.ts';
import { StampReader } from './stamps.ts';

/** After the end of the load; what is not answered by then has failed. */
const ANSWERS_WAIT_MS = 60_000;
const CONNECTS_AT_ONCE_MAX = 200;
/** A timer of Node is up to this late by itself; more is a delay that requests must be told of. */
const TIMER_GRAIN_MS = 1.5;
/** Up to here one string is cheaper than three writes. */
const ONE_WRITE_BYTES_MAX = 16 * 1024;

interface Connection {
  readonly socket: Socket;
  startedAt: number;
  isBusy: boolean;
  isFirstChunk: boolean;
}

export async function drive(load: Load): Promise<LoadResult> {
  const run = new Run(load);
  await run.open();
  return run.result();
}

class Run {
  readonly #load: Load;
  readonly #message: readonly [before: string, after: string];
  readonly #latencies = new Samples();
  readonly #lateness = new Samples();
  readonly #firstChunks = new Samples();
  readonly #chunkDelays = new Samples();
  readonly #connections: Connection[] = [];
  readonly #idle: Connection[] = [];
  /** When requests were due that no connection was free for, oldest first. */
  readonly #waiting: number[] = [];
  readonly #done = Promise.withResolvers<void>();
  #sent = 0;
  #answered = 0;
  #inTime = 0;
  #failures = 0;
  #firstFailure: string | undefined;
  #isEnding = false;

  constructor(load: Load) {
    this.#load = load;
    this.#message = messageOf(load);
  }

  async open(): Promise<void> {
    const { connections } = this.#load;
    while (this.#connections.length < connections) {
      const count = Math.min(CONNECTS_AT_ONCE_MAX, connections - this.#connections.length);
      await Promise.all(Array.from({ length: count }, () => this.#connect()));
    }
  }

  async result(): Promise<LoadResult> {
    const { durationMs, ratePerSecond } = this.#load;
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    const ending = setTimeout(() => this.#endAfter(), durationMs);
    if (ratePerSecond === undefined) {
      for (const connection of this.#connections) this.#ask(connection, performance.now());
    } else {
      this.#idle.push(...this.#connections);
      this.#askAtRate(startedAt, ratePerSecond);
    }
    await this.#done.promise;
    clearTimeout(ending);
    const seconds = Math.min(performance.now() - startedAt, durationMs) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    for (const { socket } of this.#connections) socket.destroy();
    return {
      requests: this.#answered,
      failures: this.#failures,
      firstFailure: this.#firstFailure,
      requestsPerSecond: this.#inTime / seconds,
      latencyMs: this.#latencies.percentiles(),
      latenessMs: this.#lateness.percentiles(),
      chunks: this.#chunkDelays.count,
      firstChunkMs: this.#firstChunks.percentiles(),
      chunkDelayMs: this.#chunkDelays.percentiles(),
      driverCpuMicroseconds: user + system,
    };
  }

  #connect(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ port: this.#load.port, host: '127.0.0.1', noDelay: true });
    const connection = { socket, startedAt: 0, isBusy: false, isFirstChunk: true };
    const stamps = new StampReader();
    const reader = new AnswerReader({
      piece: (bytes) =>
        stamps.push(bytes, (ageMs) => {
          this.#chunkDelays.add(ageMs);
          if (!connection.isFirstChunk) return;
          connection.isFirstChunk = false;
          this.#firstChunks.add(performance.now() - connection.startedAt);
        }),
      end: (status) => this.#answeredWith(connection, status),
    });
    socket.once('connect', () => {
      this.#connections.push(connection);
      resolve();
    });
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => {
      reject(error);
      this.#failed(error.message);
    });
    socket.on('close', () => {
      if (!connection.isBusy) return;
      connection.isBusy = false;
      this.#failed('a connection was closed in an answer');
      this.#checkDone();
    });
    return promise;
  }

  #askAtRate(startedAt: number, ratePerSecond: number): void {
    const { requestsMax = Number.POSITIVE_INFINITY } = this.#load;
    const intervalMs = 1_000 / ratePerSecond;
    let due = startedAt;
    const tick = () => {
      if (this.#isEnding) return;
      const now = performance.now();
      for (; due <= now && this.#sent + this.#waiting.length < requestsMax; due += intervalMs) {
        this.#lateness.add(now - due);
        const isTimersOwn = now - due <= TIMER_GRAIN_MS;
        const from = isTimersOwn ? now : due;
        const connection = this.#idle.pop();
        if (connection === undefined) this.#waiting.push(from);
        else this.#ask(connection, from);
      }
      this.#isEnding = this.#sent + this.#waiting.length >= requestsMax;
      setTimeout(tick, Math.max(0, due - performance.now()));
    };
    tick();
  }

  #ask(connection: Connection, startedAt: number): void {
    const { socket } = connection;
    connection.startedAt = startedAt;
    connection.isBusy = true;
    connection.isFirstChunk = true;
    this.#sent += 1;
    const [before, after] = this.#message;
    const number = String(this.#sent).padStart(COUNTER.length, '0');
    if (before.length + after.length <= ONE_WRITE_BYTES_MAX) {
      socket.write(before + number + after, 'latin1');
      return;
    }
    socket.cork();
    socket.write(before, 'latin1');
    socket.write(number, 'latin1');
    socket.write(after, 'latin1');
    socket.uncork();
  }

  #answeredWith(connection: Connection, status: number): void {
    connection.isBusy = false;
    const now = performance.now();
    if (status === this.#load.expectedStatus) {
      this.#answered += 1;
      if (!this.#isEnding) this.#inTime += 1;
      this.#latencies.add(now - connection.startedAt);
    } else {
      this.#failed(`answered with ${status}`);
    }
    const { ratePerSecond, requestsMax } = this.#load;
    if (requestsMax !== undefined && this.#sent >= requestsMax) this.#isEnding = true;
    if (ratePerSecond === undefined) {
      if (!this.#isEnding) this.#ask(connection, now);
    } else {
      const due = this.#waiting.shift();
      if (due === undefined) this.#idle.push(connection);
      else this.#ask(connection, due);
    }
    this.#checkDone();
  }

  #failed(reason: string): void {
    this.#failures += 1;
    this.#firstFailure ??= reason;
  }

  /** Nothing new is asked; what is under way may end. */
  #endAfter(): void {
    this.#isEnding = true;
    const unanswered = () => {
      for (const connection of this.#connections) {
        if (!connection.isBusy) continue;
        connection.isBusy = false;
        this.#failed('no answer');
      }
      this.#done.resolve();
    };
    setTimeout(unanswered, ANSWERS_WAIT_MS).unref();
    this.#checkDone();
  }

  #checkDone(): void {
    if (!this.#isEnding) return;
    const isRunning = this.#connections.some(({ isBusy }) => isBusy);
    if (!isRunning && this.#waiting.length === 0) this.#done.resolve();
  }
}

/** The request before and after its number. */
function messageOf({ path, headers, body }: Load): readonly [string, string] {
  const lines = Object.entries({
    host: 'localhost',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const message = `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
  const [before = '', after] = message.split(COUNTER);
  if (after === undefined) throw new Error('the body has no place for the number of the request');
  return [before, after];
}
