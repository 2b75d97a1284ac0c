import { describe, expect, test } from 'vitest';
import { CLIENT_KEY, chat, type Harness, startHarness } from './ingress-harness.ts';
import { openRawConnection, type RawConnection } from './raw-connection.ts';

const ASK = `GET /v1/models/one-target HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${CLIENT_KEY}\r\n\r\n`;
const OTHER_ADDRESS = '127.0.0.2';

async function answersOn(connection: RawConnection): Promise<void> {
  connection.send(ASK);
  expect((await connection.answers(1))[0]?.status).toBe(200);
}

async function expectRefused(connection: RawConnection): Promise<void> {
  connection.send(ASK);
  const [answer] = await connection.answers(1);
  expect(answer?.status).toBe(503);
  expect(answer?.headers.get('connection')).toBe('close');
  expect(answer?.headers.get('retry-after')).toBe('5');
  expect(answer?.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(JSON.parse(answer?.body ?? '').error).toMatchObject({
    code: 'overloaded',
    type: 'service_unavailable',
  });
  await connection.closed();
  expect(connection.wasReset).toBe(false);
}

async function leave(connection: RawConnection): Promise<void> {
  connection.socket.destroy();
  await connection.closed();
}

function open(gateway: Harness, from?: string): RawConnection {
  return openRawConnection(gateway.ingress.port, from);
}

describe('connections', () => {
  test('of all addresses are taken up to the bound and refused past it', async () => {
    const gateway = await startHarness({ environment: { GATEWAY_MAX_CONNECTIONS: '2' } });
    const [first, second] = [open(gateway), open(gateway, OTHER_ADDRESS)];
    await answersOn(first);
    await answersOn(second);
    await expectRefused(open(gateway));
    await expectRefused(open(gateway, OTHER_ADDRESS));
    await leave(first);
    await expect.poll(() => gateway.get('/livez').then(({ status }) => status)).toBe(200);
    expect(gateway.reached).toEqual({ limiter: 0, cache: 0, worker: 0 });
  });

  test('of one address are taken up to its bound and refused past it', async () => {
    const environment = { GATEWAY_MAX_CONNECTIONS_PER_ADDRESS: '2' };
    const gateway = await startHarness({ environment });
    await answersOn(open(gateway));
    await answersOn(open(gateway));
    await expectRefused(open(gateway));
    await answersOn(open(gateway, OTHER_ADDRESS));
  });

  test('of a trusted proxy are bound by the whole alone', async () => {
    const gateway = await startHarness({
      environment: {
        GATEWAY_MAX_CONNECTIONS_PER_ADDRESS: '1',
        GATEWAY_MAX_CONNECTIONS: '3',
        GATEWAY_TRUSTED_PROXIES: '127.0.0.1',
      },
    });
    for (let count = 0; count < 3; count += 1) await answersOn(open(gateway));
    await expectRefused(open(gateway));
  });

  test('that are refused by the hundred leave the others as they are', async () => {
    const gateway = await startHarness({ environment: { GATEWAY_MAX_CONNECTIONS: '1' } });
    const good = open(gateway);
    await answersOn(good);
    const refused = Array.from({ length: 400 }, () => open(gateway, OTHER_ADDRESS));
    await Promise.all(refused.map((connection) => connection.closed()));
    good.send(ASK);
    expect((await good.answers(2))[1]?.status).toBe(200);
  });

  test('that say nothing, or only a part, take nothing from a good client', async () => {
    const gateway = await startHarness();
    const parts = ['', 'POST /v1/chat', 'GET /livez HTTP/1.1\r\nHost:', ASK.slice(0, -2)];
    const slow = Array.from({ length: 400 }, (_, index) => {
      const connection = open(gateway, OTHER_ADDRESS);
      connection.send(parts[index % parts.length] ?? '');
      return connection;
    });
    const halfBody = open(gateway, OTHER_ADDRESS);
    halfBody.send(
      `${ASK.replace('GET /v1/models/one-target', 'POST /v1/chat/completions').slice(0, -2)}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    for (let count = 0; count < 10; count += 1) {
      expect((await gateway.post(chat(), { headers: {} })).status).toBe(200);
    }
    expect(slow.every(({ isClosed }) => !isClosed)).toBe(true);
  });

  test('are taken at one address where the host is localhost, so that nothing passes the bounds', async () => {
    const environment = { GATEWAY_HOST: 'localhost', GATEWAY_MAX_CONNECTIONS: '1' };
    const gateway = await startHarness({ environment });
    expect(gateway.ingress.host).toBe('127.0.0.1');
    await answersOn(open(gateway));
    await expectRefused(open(gateway));
  });

  test('carry a thousand requests, and the last answer says that it is the last', async () => {
    const gateway = await startHarness();
    const connection = open(gateway);
    const ask = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
    connection.send(ask.repeat(1_001));
    const answers = await connection.answers(1_000);
    await connection.closed();
    expect(answers.map(({ status }) => status)).toEqual(Array(1_000).fill(200));
    expect(answers.at(-2)?.headers.get('connection')).toBe('keep-alive');
    expect(answers.at(-1)?.headers.get('connection')).toBe('close');
  });
});
