import type { ServerResponse } from 'node:http';
import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { READ_AHEAD_BYTES_MAX } from '../src/upstream-call.ts';
import {
  failure,
  OK,
  open,
  options,
  PATIENT,
  PieceReader,
  read,
  request,
  startUpstream,
  upstream,
} from './upstream-harness.ts';

describe('an answer', () => {
  test('is taken at the bound and refused one byte past it', async () => {
    const server = await upstream((_request, response) => void response.end('x'.repeat(1000)));
    const provider = open({ baseUrl: server.url });
    const whole = await provider.send(request, options());
    expect((await whole.readAll(1000)).length).toBe(1000);
    const longer = await provider.send(request, options());
    expect(await failure(longer.readAll(999))).toMatchObject({ code: 'provider_bad_response' });
  });

  test('that is compressed is refused', async () => {
    const server = await upstream((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('zzz');
    });
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error.code).toBe('provider_bad_response');
  });

  test('with headers over the bound is refused, under it taken', async () => {
    const server = await upstream((incoming, response) => {
      const length = incoming.url?.endsWith('/long') ? 33 * 1024 : 31 * 1024;
      response.writeHead(200, { 'x-filler': 'x'.repeat(length) }).end('ok');
    });
    const provider = open({ baseUrl: server.url });
    expect((await provider.send(request, options())).status).toBe(200);
    const error = await failure(provider.send({ ...request, path: '/long' }, options()));
    expect(error.code).toBe('provider_bad_response');
  });

  test('comes piece by piece', async () => {
    const first = Promise.withResolvers<ServerResponse>();
    const server = await upstream((_request, response) => {
      response.write('one');
      first.resolve(response);
    });
    const answer = await open({ baseUrl: server.url }).send(request, options({ stream: true }));
    const reader = new PieceReader(answer);
    expect(await reader.next()).toBe('one');
    (await first.promise).end('two');
    expect(await reader.next()).toBe('two');
    expect(await reader.next()).toBeUndefined();
  });

  test('that nobody reads is not buffered without bound', async () => {
    const bytes = 64 * 1024 * 1024;
    const blocked = Promise.withResolvers<number>();
    const server = await upstream((_request, response) => {
      let sent = 0;
      while (sent < bytes && response.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
      response.once('drain', () => response.end());
      blocked.resolve(sent);
    });
    const answer = await open({ baseUrl: server.url }).send(request, options({ stream: true }));
    await blocked.promise;
    const pieces: number[] = [];
    const stop = new Error('enough was seen');
    const reading = answer.read((bytes) => {
      pieces.push(bytes.length);
      throw stop;
    });
    await expect(reading).rejects.toBe(stop);
    expect(pieces[0]).toBeGreaterThan(0);
    expect(pieces[0]).toBeLessThanOrEqual(READ_AHEAD_BYTES_MAX + 64 * 1024);
  });

  test('that breaks off is an error after what had come', async () => {
    const server = await upstream((_request, response) => {
      response.write('half', () => response.socket?.destroy());
    });
    const answer = await open({ baseUrl: server.url }).send(request, options({ stream: true }));
    const reader = new PieceReader(answer);
    expect(await reader.next()).toBe('half');
    const error = await failure(reader.next());
    expect(error.code).toBe('stream_interrupted');
    expect(error.message).not.toContain('127.0.0.1');
  });

  test('shorter than its content-length is an error', async () => {
    const server = await upstream((_request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('four', () => response.socket?.end());
    });
    const answer = await open({ baseUrl: server.url }).send(request, options());
    expect(['stream_interrupted', 'provider_bad_response']).toContain(
      (await failure(answer.readAll(100))).code,
    );
  });
});

describe('a timeout', () => {
  test('connect_timeout ends the wait for a free connection, before anything is sent', async () => {
    const server = await upstream(() => undefined);
    const provider = open({ baseUrl: server.url }, { connectionsMax: 1 });
    const abort = new AbortController();
    const busy = failure(provider.send(request, options({ signal: abort.signal })));
    let isSent = false;
    const timeouts = { ...PATIENT, connectMs: 40 };
    const onSent = () => {
      isSent = true;
    };
    const error = await failure(provider.send(request, options({ timeouts, onSent })));
    expect(error).toMatchObject({ code: 'provider_timeout', facts: { reason: 'connect_timeout' } });
    expect(isSent).toBe(false);
    abort.abort();
    await busy;
    expect(server.requests).toHaveLength(1);
  });

  test('first_byte_timeout ends a call without an answer and closes the socket', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await upstream((incoming) => {
      incoming.socket.once('close', () => closed.resolve());
    });
    let isSent = false;
    const timeouts = { ...PATIENT, firstByteMs: 40 };
    const onSent = () => {
      isSent = true;
    };
    const provider = open({ baseUrl: server.url });
    const error = await failure(provider.send(request, options({ timeouts, onSent })));
    expect(error).toMatchObject({
      code: 'provider_timeout',
      facts: { reason: 'first_byte_timeout' },
    });
    expect(isSent).toBe(true);
    await closed.promise;
  });

  test('first_byte_timeout ends an answer of headers alone', async () => {
    const server = await upstream((_request, response) => void response.flushHeaders());
    const timeouts = { ...PATIENT, firstByteMs: 40 };
    const answer = await open({ baseUrl: server.url }).send(request, options({ timeouts }));
    expect((await failure(read(answer))).facts.reason).toBe('first_byte_timeout');
  });

  test('idle_timeout ends an answer that stops', async () => {
    const server = await upstream((_request, response) => void response.write('half'));
    const timeouts = { ...PATIENT, idleMs: 40 };
    const answer = await open({ baseUrl: server.url }).send(request, options({ timeouts }));
    expect((await failure(read(answer))).facts.reason).toBe('idle_timeout');
  });

  test('total_timeout ends an answer that drips', async () => {
    const server = await upstream((_request, response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.once('close', () => clearInterval(timer));
    });
    const timeouts = { ...PATIENT, idleMs: 1_000, totalMs: 80 };
    const answer = await open({ baseUrl: server.url }).send(request, options({ timeouts }));
    expect((await failure(read(answer))).facts.reason).toBe('total_timeout');
  });
});

describe('a provider that cannot be reached', () => {
  test('is unavailable when it refuses connections', async () => {
    const server = await startUpstream(OK);
    await server[Symbol.asyncDispose]();
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error.code).toBe('provider_unavailable');
    expect(error.message).not.toContain(String(server.port));
    expect(error.facts.detail).toContain('ECONNREFUSED');
  });

  test('is unavailable when it does not speak TLS', async () => {
    const server = await upstream(OK);
    const baseUrl = server.url.replace('http:', 'https:');
    const error = await failure(open({ baseUrl }).send(request, options()));
    expect(error.code).toBe('provider_unavailable');
    expect(server.requests).toHaveLength(0);
  });

  test('is unavailable when it closes without an answer', async () => {
    const server = await upstream((incoming) => void incoming.socket.destroy());
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error.code).toBe('provider_unavailable');
  });
});

describe('an abort', () => {
  const reason = new GatewayError('client_closed', 'The client left.');

  test('before the call makes no call', async () => {
    const server = await upstream(OK);
    const signal = AbortSignal.abort(reason);
    expect(await failure(open({ baseUrl: server.url }).send(request, options({ signal })))).toBe(
      reason,
    );
    expect(server.requests).toHaveLength(0);
  });

  test('before the answer closes the socket at once', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const server = await upstream((incoming) => {
      incoming.socket.once('close', () => closed.resolve());
      abort.abort(reason);
    });
    const { signal } = abort;
    const call = open({ baseUrl: server.url }).send(request, options({ signal }));
    expect(await failure(call)).toBe(reason);
    await closed.promise;
  });

  test('in the middle of an answer closes the socket at once', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const server = await upstream((_request, response) => {
      response.once('close', () => closed.resolve());
      response.write('half');
    });
    const { signal } = abort;
    const answer = await open({ baseUrl: server.url }).send(request, options({ signal }));
    const reader = new PieceReader(answer);
    await reader.next();
    abort.abort(reason);
    expect(await failure(reader.next())).toBe(reason);
    await closed.promise;
  });

  test('by a reader that stops reading closes the socket', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await upstream((_request, response) => {
      response.once('close', () => closed.resolve());
      response.write('half');
    });
    const answer = await open({ baseUrl: server.url }).send(request, options());
    expect(String(await answer.readStart(4))).toBe('half');
    await closed.promise;
  });
});
