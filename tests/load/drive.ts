/** Sends the load over connections that stay open, and measures what comes back. */
import { connect, type Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';
import { COUNTER, type Load, type LoadResult } from './load.ts';
import { Samples } from './percentiles.ts';
import { StampReader } from './stamps.ts';

/** After the end of the load; what is not answered by then has failed. */
const ANSWERS_WAIT_MS = 60_000;
/** Connections opened before a load at a rate; further ones when a request finds none free. */
const OPEN_AT_RATE = 64;
/** A timer of Node is up to this late by itself; more is a delay that requests must be told of. */
const TIMER_GRAIN_MS = 1.5;
/** Up to here one string is cheaper than three writes. */
const ONE_WRITE_BYTES_MAX = 16 * 1024;
const CACHE_HIT = '\r\nx-gateway-cache: hit';
const REQUEST_TIMEOUT = 408;
/** Both together fill the digits of the counter. */
const STARTS_TOLD_APART = 1_000_000;
const REQUESTS_TOLD_APART = 1_000_000;

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
  /** Loads that follow each other ask for nothing that an earlier one has put into the cache. */
  readonly #firstNumber = (Date.now() % STARTS_TOLD_APART) * REQUESTS_TOLD_APART;
  readonly #latencies = new Samples();
  readonly #lateness = new Samples();
  readonly #firstChunks = new Samples();
  readonly #chunkDelays = new Samples();
  readonly #connections = new Set<Connection>();
  readonly #idle: Connection[] = [];
  /** When requests were due that no connection was free for, oldest first. */
  readonly #waiting: number[] = [];
  readonly #done = Promise.withResolvers<void>();
  #connecting = 0;
  #busy = 0;
  #sent = 0;
  #answered = 0;
  #inTime = 0;
  #cacheHits = 0;
  #failures = 0;
  #firstFailure: string | undefined;
  #isEnding = false;

  constructor(load: Load) {
    this.#load = load;
    this.#message = messageOf(load);
  }

  async open(): Promise<void> {
    const { connections, ratePerSecond } = this.#load;
    const count = ratePerSecond === undefined ? connections : Math.min(connections, OPEN_AT_RATE);
    await Promise.all(Array.from({ length: count }, () => this.#connect()));
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
      cacheHits: this.#cacheHits,
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

  #connect(): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const socket = connect({ port: this.#load.port, host: '127.0.0.1', noDelay: true });
    const connection = { socket, startedAt: 0, isBusy: false, isFirstChunk: true };
    const stamps = new StampReader();
    const reader = new AnswerReader({
      head: (text) => {
        if (text.includes(CACHE_HIT)) this.#cacheHits += 1;
      },
      piece: (bytes) =>
        stamps.push(bytes, (ageMs) => {
          this.#chunkDelays.add(ageMs);
          if (!connection.isFirstChunk) return;
          connection.isFirstChunk = false;
          this.#firstChunks.add(performance.now() - connection.startedAt);
        }),
      end: (status, isLast) => this.#answeredWith(connection, status, isLast),
    });
    socket.once('connect', () => {
      this.#connections.add(connection);
      resolve(connection);
    });
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', reject);
    socket.on('close', (hadError) => {
      this.#connections.delete(connection);
      const place = this.#idle.indexOf(connection);
      if (place !== -1) this.#idle.splice(place, 1);
      if (!connection.isBusy) return;
      this.#free(connection);
      this.#failed(hadError ? 'a connection broke' : 'a connection was closed in an answer');
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
        if (connection !== undefined) this.#ask(connection, from);
        else this.#wait(from);
      }
      this.#isEnding = this.#sent + this.#waiting.length >= requestsMax;
      setTimeout(tick, Math.max(0, due - performance.now()));
    };
    tick();
  }

  /** For a connection that gets free, or for another one where there may be more. */
  #wait(from: number): void {
    this.#waiting.push(from);
    if (this.#connections.size + this.#connecting < this.#load.connections) this.#openForWaiting();
  }

  #openForWaiting(): void {
    this.#connecting += 1;
    const opened = (connection: Connection) => {
      this.#connecting -= 1;
      this.#askNext(connection);
    };
    this.#connect().then(opened, (error: Error) => {
      this.#connecting -= 1;
      this.#waiting.shift();
      this.#failed(error.message);
      this.#checkDone();
    });
  }

  #askNext(connection: Connection): void {
    const due = this.#waiting.shift();
    if (due === undefined) this.#idle.push(connection);
    else this.#ask(connection, due);
  }

  #ask(connection: Connection, startedAt: number): void {
    const { socket } = connection;
    connection.startedAt = startedAt;
    connection.isBusy = true;
    this.#busy += 1;
    connection.isFirstChunk = true;
    this.#sent += 1;
    const [before, after] = this.#message;
    const number = String(this.#firstNumber + this.#sent).padStart(COUNTER.length, '0');
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

  #free(connection: Connection): void {
    connection.isBusy = false;
    this.#busy -= 1;
  }

  #answeredWith(connection: Connection, status: number, isLast: boolean): void {
    if (!connection.isBusy) {
      // A server says 408 on a connection that it waited on in vain, and closes it.
      if (status !== REQUEST_TIMEOUT) this.#failed(`answered with ${status} before it was asked`);
      connection.socket.destroy();
      return;
    }
    this.#free(connection);
    if (isLast) {
      this.#connections.delete(connection);
      connection.socket.destroy();
    }
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
    if (ratePerSecond === undefined && !this.#isEnding) {
      // The next request waits for the new connection, as it does for any client.
      if (isLast) this.#wait(now);
      else this.#ask(connection, now);
    } else if (ratePerSecond !== undefined) {
      if (!isLast) this.#askNext(connection);
      else if (this.#waiting.length > 0) this.#openForWaiting();
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
        this.#free(connection);
        this.#failed('no answer');
      }
      this.#done.resolve();
    };
    setTimeout(unanswered, ANSWERS_WAIT_MS).unref();
    this.#checkDone();
  }

  #checkDone(): void {
    const isDone = this.#isEnding && this.#busy === 0 && this.#waiting.length === 0;
    if (isDone) this.#done.resolve();
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
