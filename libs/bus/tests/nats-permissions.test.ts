/** What the shipped configuration refuses. What it allows is proved by the contract. */
import {
  buckets,
  clientInboxPrefix,
  type EventKind,
  eventSubjectOfAll,
  reserveEndpoint,
  type ServiceName,
  subjects,
} from '@gateway/protocol';
import { type RunningServer, waitFor } from '@gateway/testing';
import { connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { NatsSetupError } from '../src/nats/connection-keeper.ts';
import { connectNatsBus } from '../src/nats/nats-bus.ts';
import { passwordOf, startProvisionedNats } from './nats-fixture.ts';

let server: RunningServer;

beforeAll(async () => {
  server = await startProvisionedNats();
  return () => server.stop();
});

async function connectPlainly(user: ServiceName) {
  const inboxPrefix = clientInboxPrefix(user);
  const pass = passwordOf(user);
  const connection = await connect({ servers: server.url, user, pass, inboxPrefix });
  onTestFinished(() => connection.close());
  const refused: string[] = [];
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      refused.push(`${status.error.operation} ${status.error.subject}`);
    }
  })();
  return { connection, refused };
}

async function isRefused(
  user: ServiceName,
  operation: 'publish' | 'subscription',
  subject: string,
  act: (connection: NatsConnection) => void,
): Promise<void> {
  const { connection, refused } = await connectPlainly(user);
  act(connection);
  await connection.flush();
  await waitFor(() => refused.length > 0, { what: 'the refusal' });
  expect(refused).toEqual([`${operation} ${subject}`]);
}

/** Of a message with events of these kinds. */
function packSubject(...kinds: EventKind[]): string {
  return eventSubjectOfAll(kinds.map((kind) => ({ subject: subjects.event(kind) })));
}

const reply = subjects.reply({ ingress: 'i', request: 'r', attempt: 1, leg: 'frames' });

describe('publishing', () => {
  test.each<{ user: ServiceName; subject: string }>([
    { user: 'ingress', subject: reply },
    { user: 'ingress', subject: subjects.cacheStore },
    { user: 'ingress', subject: '$JS.API.STREAM.DELETE.GATEWAY_EVENTS' },
    { user: 'ingress', subject: '$JS.API.CONSUMER.MSG.NEXT.GATEWAY_EVENTS.audit-writer' },
    { user: 'ingress', subject: '$JS.ACK.GATEWAY_EVENTS.audit-writer.1.1.1.1.0' },
    { user: 'rate-limiter', subject: subjects.inference('demo') },
    { user: 'rate-limiter', subject: subjects.event('finished') },
    { user: 'cache', subject: subjects.inference('demo') },
    { user: 'cache', subject: subjects.event('attempted') },
    { user: 'cache', subject: reply },
    { user: 'provider-worker', subject: subjects.event('received') },
    { user: 'provider-worker', subject: subjects.event('control') },
    { user: 'provider-worker', subject: packSubject('attempted', 'finished') },
    { user: 'provider-worker', subject: subjects.reserve },
    { user: 'provider-worker', subject: subjects.releaseSlots },
    { user: 'provider-worker', subject: subjects.renewSlots },
    { user: 'provider-worker', subject: subjects.control('other') },
    { user: 'provider-worker', subject: `$KV.${buckets.keys}.a` },
    { user: 'provider-worker', subject: `$KV.${buckets.configuration}.a` },
    { user: 'provider-worker', subject: `$JS.API.DIRECT.GET.KV_${buckets.keys}.$KV.a` },
    { user: 'provider-worker', subject: `$JS.API.CONSUMER.CREATE.KV_${buckets.keys}.w` },
    { user: 'audit-writer', subject: subjects.event('received') },
    { user: 'audit-writer', subject: packSubject('attempted', 'finished', 'received') },
    { user: 'audit-writer', subject: subjects.inference('demo') },
    { user: 'audit-writer', subject: '$JS.API.STREAM.PURGE.GATEWAY_EVENTS' },
    { user: 'audit-writer', subject: `$KV.${buckets.keys}.a` },
  ])('$user may not publish $subject', ({ user, subject }) =>
    isRefused(user, 'publish', subject, (connection) => connection.publish(subject)),
  );
});

describe('subscribing', () => {
  test.each<{ user: ServiceName; subject: string; queue?: string }>([
    { user: 'ingress', subject: subjects.inference('demo') },
    { user: 'ingress', subject: subjects.inboxes('provider-worker', 'x') },
    { user: 'rate-limiter', subject: subjects.cacheLookup, queue: 'cache' },
    { user: 'rate-limiter', subject: subjects.replies('i') },
    // Without its queue group a service would listen along instead of taking its share.
    { user: 'rate-limiter', subject: subjects.reserve },
    { user: 'rate-limiter', subject: subjects.reserve, queue: 'other' },
    { user: 'rate-limiter', subject: subjects.releaseSlots },
    { user: 'rate-limiter', subject: subjects.renewSlots, queue: 'other' },
    { user: 'cache', subject: subjects.cacheLookup },
    { user: 'cache', subject: subjects.inference('demo'), queue: 'provider-worker' },
    { user: 'provider-worker', subject: subjects.replies('i') },
    { user: 'provider-worker', subject: subjects.inference('demo') },
    { user: 'provider-worker', subject: subjects.body('i') },
    { user: 'provider-worker', subject: '_INBOX_ingress.>' },
    { user: 'provider-worker', subject: `$KV.${buckets.keys}.>` },
    { user: 'audit-writer', subject: 'gateway.v1.>' },
    { user: 'audit-writer', subject: 'gateway.v2.>' },
    { user: 'audit-writer', subject: '>' },
  ])('$user may not subscribe to $subject as $queue', ({ user, subject, queue }) =>
    isRefused(user, 'subscription', subject, (connection) => {
      const options = { callback: () => {}, ...(queue !== undefined && { queue }) };
      connection.subscribe(subject, options);
    }),
  );
});

test('the audit-writer says the end and the attempt of a request whose ingress died', async () => {
  const { connection, refused } = await connectPlainly('audit-writer');
  const all = [subjects.event('finished'), subjects.event('attempted')];
  for (const subject of [...all, packSubject('finished', 'attempted')]) {
    const { data } = await connection.request(subject, '{}', { timeout: 5_000 });
    expect(JSON.parse(Buffer.from(data).toString())).toMatchObject({ stream: 'GATEWAY_EVENTS' });
  }
  expect(refused).toEqual([]);
});

describe('connecting', () => {
  const identity = { service: 'cache', instance: 'abcdefghij' } as const;

  test('a client without a user is refused', async () => {
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow();
    await expect(connectNatsBus({ url: server.url, identity })).rejects.toThrow(
      'NATS refuses the user (none)',
    );
  });

  test('a wrong password stops the start instead of being tried for ever', async () => {
    const wrong = { url: server.url, identity, user: 'cache', password: 'guessed-password' };
    const error = await connectNatsBus(wrong).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NatsSetupError);
    expect(String(error)).not.toContain('guessed-password');
  });

  test('a service refuses to serve what its user may not', async () => {
    const limiter = { service: 'rate-limiter', instance: 'abcdefghij' } as const;
    await using bus = await connectNatsBus({
      url: server.url,
      identity: limiter,
      user: 'cache',
      password: passwordOf('cache'),
    });
    const respond = async () => ({ value: { allowed: true, limits: [] } });
    await expect(bus.respond(reserveEndpoint, respond, { concurrencyMax: 1 })).rejects.toThrow(
      NatsSetupError,
    );
  });
});
