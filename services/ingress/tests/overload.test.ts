import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  ADMIN_KEY,
  answering,
  attemptedBy,
  CLIENT_KEY,
  chat,
  errorOf,
  type Harness,
  openAnswer,
  startHarness,
  type WorkerHandler,
} from './ingress-harness.ts';
import { openRawConnection } from './raw-connection.ts';

const WRONG_KEY = { headers: { authorization: 'Bearer a-key-that-nobody-made' } };
const NO_LIMIT = { RATE_LIMIT_REQUESTS: '' };

/** A worker whose answers wait until they may go on. */
function holding(): { worker: WorkerHandler; goOn: () => void } {
  const told = Promise.withResolvers<void>();
  const worker: WorkerHandler = async (call) => {
    await told.promise;
    await answering(call);
  };
  return { worker, goOn: told.resolve };
}

async function expectShed(response: Response): Promise<void> {
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await errorOf(response)).toMatchObject({ code: 'overloaded' });
}

/** The statuses on record, once this request's is among them. */
async function recordedUntil(gateway: Harness, response: Response): Promise<readonly number[]> {
  await gateway.finished(response.headers.get('x-request-id'));
  return gateway.events.flatMap((event) => (event.kind === 'finished' ? [event.status] : []));
}

async function headersOfNewKey({ origin }: Harness): Promise<{ authorization: string }> {
  const response = await fetch(`${origin}/admin/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'another' }),
  });
  const { key } = (await response.json()) as { key: string };
  return { authorization: `Bearer ${key}` };
}

describe('running requests', () => {
  test('are taken up to the bound and refused past it, without a record', async () => {
    const { worker, goOn } = holding();
    const environment = { GATEWAY_MAX_RUNNING_REQUESTS: '2' };
    const gateway = await startHarness({ worker, environment });
    const running = [gateway.post(chat()), gateway.post(chat())];
    await waitFor(() => gateway.reached.worker === 2, { what: 'two running requests' });
    await expectShed(await gateway.post(chat()));
    await expectShed(await gateway.post(chat(), WRONG_KEY));
    expect((await gateway.get('/livez')).status).toBe(200);
    expect((await gateway.get('/admin/v1/keys', ADMIN_KEY)).status).toBe(200);
    goOn();
    for (const response of await Promise.all(running)) expect(response.status).toBe(200);
    const last = await gateway.post(chat());
    expect(last.status).toBe(200);
    await waitFor(() => finishedCount(gateway) === 3, { what: 'three records' });
    expect(new Set(await recordedUntil(gateway, last))).toEqual(new Set([200]));
  });
});

function finishedCount({ events }: Harness): number {
  return events.filter(({ kind }) => kind === 'finished').length;
}

describe('the bytes that are held', () => {
  const BOUND = 4_096;
  const environment = {
    GATEWAY_MAX_BODY_BYTES: String(BOUND),
    GATEWAY_MAX_BUFFERED_BYTES: String(2 * BOUND),
  };
  const sized = (bytes: number) => {
    const empty = JSON.stringify(chat({ user: '' })).length;
    return Buffer.from(JSON.stringify(chat({ user: 'a'.repeat(bytes - empty) })));
  };

  test('are taken up to the bound and refused past it, before the body is read', async () => {
    const { worker, goOn } = holding();
    const gateway = await startHarness({ worker, environment });
    const first = gateway.post(sized(BOUND - 200));
    await waitFor(() => gateway.reached.worker === 1, { what: 'a running request' });
    await expectShed(await gateway.post(sized(201)));
    const second = gateway.post(sized(200));
    await waitFor(() => gateway.reached.worker === 2, { what: 'another one' });
    await expectShed(await gateway.post(chat()));
    goOn();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect((await gateway.post(sized(BOUND))).status).toBe(200);
  });

  const answeringBytes =
    (bytes: () => number): WorkerHandler =>
    async (call) => {
      openAnswer(call);
      await call.data(Buffer.alloc(bytes(), 'a'));
      await call.end(attemptedBy(call));
    };

  test('are those of answers that are not streamed, too, and one past is paid for once', async () => {
    let bytes = 2 * BOUND - 200;
    const worker = answeringBytes(() => bytes);
    const gateway = await startHarness({ worker, environment });
    const model = 'two-targets';
    const empty = JSON.stringify(chat({ model, user: '' })).length;
    const ask = () => gateway.post(chat({ model, user: 'a'.repeat(200 - empty) }));
    for (let count = 0; count < 2; count += 1) {
      const fitting = await ask();
      expect([fitting.status, (await fitting.text()).length]).toEqual([200, bytes]);
    }
    bytes += 1;
    const response = await ask();
    await expectShed(response);
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'failed', errorCode: 'overloaded', attempts: 1 });
    expect(gateway.reached.worker).toBe(3);
  });

  test('are a share for one key, and one past it is refused and recorded while others are served', async () => {
    const { worker, goOn } = holding();
    const bytes = { GATEWAY_MAX_BODY_BYTES: '1024', GATEWAY_MAX_BUFFERED_BYTES: '16384' };
    const gateway = await startHarness({ worker, environment: { ...bytes, ...NO_LIMIT } });
    const headers = await headersOfNewKey(gateway);
    const held = [1024, 1024 - 200, 200].map((size) => gateway.post(sized(size)));
    await waitFor(() => gateway.reached.worker === 3, { what: 'requests that fill the share' });
    const refused = await gateway.post(chat());
    await expectShed(refused);
    const event = await gateway.finished(refused.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 503, keyId: 'bootstrap-client' });
    const other = gateway.post(sized(1024), { headers });
    await waitFor(() => gateway.reached.worker === 4, { what: 'the request of another key' });
    goOn();
    for (const response of await Promise.all([...held, other])) expect(response.status).toBe(200);
    expect((await gateway.post(chat())).status).toBe(200);
  });

  test('are given back by a client that leaves within its body', async () => {
    const gateway = await startHarness({ environment });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${CLIENT_KEY}\r\nContent-Type: application/json\r\nContent-Length: ${BOUND}\r\nExpect: 100-continue\r\n\r\n`,
    );
    await connection.answers(1);
    await expectShed(await gateway.post(chat()));
    connection.socket.destroy();
    await waitFor(async () => (await gateway.post(sized(BOUND))).status === 200, {
      what: 'room for a whole body',
    });
  });

  test('are given back by every refusal of a body', async () => {
    const gateway = await startHarness({ environment: { ...environment, ...NO_LIMIT } });
    const statuses = new Set<number>();
    for (let count = 0; count < 5; count += 1) {
      statuses.add((await gateway.post(Buffer.alloc(BOUND, 'x'))).status);
      statuses.add(
        (await gateway.post(sized(BOUND), { headers: { 'content-type': 'a/b' } })).status,
      );
      statuses.add((await gateway.post(sized(BOUND + 1))).status);
      statuses.add((await gateway.post(sized(BOUND), WRONG_KEY)).status);
    }
    expect(statuses).toEqual(new Set([400, 415, 413, 401]));
    expect((await gateway.post(sized(BOUND))).status).toBe(200);
  });
});

describe('an address without a valid key', () => {
  const FAILURES_MAX = 20;

  test('is told to wait after 20 refusals in a minute, whatever it sends, and is one more in a summary', async () => {
    const gateway = await startHarness();
    for (let count = 0; count < FAILURES_MAX; count += 1) {
      expect((await gateway.post(chat(), WRONG_KEY)).status).toBe(401);
    }
    const keys = ['another-key-that-is-wrong', '', `${CLIENT_KEY}?`];
    const answers = await Promise.all(
      keys.map(async (key) => {
        const response = await gateway.get('/v1/models', key);
        const retryAfter = Number(response.headers.get('retry-after'));
        expect(retryAfter).toBeGreaterThan(0);
        expect(retryAfter).toBeLessThanOrEqual(60);
        return JSON.stringify([response.status, await response.json()]);
      }),
    );
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^\[429,.*"code":"too_many_failed_keys"/);
    // A valid key from the same address is taken, and what it does is recorded.
    const good = await gateway.post(chat());
    expect(good.status).toBe(200);
    await waitFor(() => finishedCount(gateway) === FAILURES_MAX + 1, { what: 'the records' });
    const statuses = await recordedUntil(gateway, good);
    expect(statuses.toSorted()).toEqual([200, ...Array(FAILURES_MAX).fill(401)]);
    await gateway.stop();
    await waitFor(() => finishedCount(gateway) === FAILURES_MAX + 2, { what: 'the summary' });
    expect(gateway.events.at(-1)).toMatchObject({ status: 401, keyId: '', refusals: keys.length });
  });

  test('leaves other addresses alone', async () => {
    const environment = { GATEWAY_TRUSTED_PROXIES: 'loopback' };
    const gateway = await startHarness({ environment });
    const from = (address: string) => {
      const headers = { ...WRONG_KEY.headers, 'x-forwarded-for': address };
      return gateway.post(chat(), { headers }).then(({ status }) => status);
    };
    for (let count = 0; count < FAILURES_MAX; count += 1) {
      expect(await from(`2001:db8:1:2::${count}`)).toBe(401);
    }
    expect(await from('2001:db8:1:2:3::')).toBe(429);
    expect(await from('2001:db8:1:3::1')).toBe(401);
    expect(await from('203.0.113.7')).toBe(401);
  });
});
