import { newInstanceId, streams } from '@gateway/protocol';
import { startNats, waitFor } from '@gateway/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { checkServer, NatsSetupError } from '../src/nats/connection-keeper.ts';
import { connectNatsBus } from '../src/nats/nats-bus.ts';
import { provisionNats } from '../src/nats/provision.ts';

test('a bus says what is missing until it is provisioned', async () => {
  await using server = await startNats();
  const identity = { service: 'ingress', instance: newInstanceId() } as const;
  await using ingress = await connectNatsBus({ url: server.url, identity });
  expect(ingress.outage).toBe(`stream ${streams.events.name} is missing`);
  await provisionNats({ url: server.url });
  await waitFor(() => ingress.outage === undefined, { what: 'the streams to be found' });
});

test('provisioning again keeps what is stored and restores changed limits', async () => {
  await using server = await startNats();
  await provisionNats({ url: server.url });
  const connection = await connect({ servers: server.url });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  const identity = { service: 'ingress', instance: newInstanceId() } as const;
  await using ingress = await connectNatsBus({ url: server.url, identity });
  const bucket = await ingress.bucket('gateway-keys');
  await bucket.put('a', 1);
  await manager.streams.update(streams.events.name, { max_bytes: 1024 });
  await manager.consumers.update(streams.events.name, 'audit-writer', { max_ack_pending: 1 });
  await provisionNats({ url: server.url });
  const { config } = await manager.streams.info(streams.events.name);
  expect(config).toMatchObject({
    retention: 'interest',
    discard: 'new',
    max_bytes: streams.events.bytesMax,
    max_msg_size: streams.events.messageBytesMax,
  });
  const consumer = await manager.consumers.info(streams.events.name, 'audit-writer');
  expect(consumer.config.max_ack_pending).toBe(5_000);
  expect(await bucket.get('a')).toMatchObject({ value: 1 });
});

test('a server without JetStream is refused', async () => {
  const facts = { version: '2.12.0', jetstream: false };
  expect(() => checkServer({ info: facts } as never)).toThrow(NatsSetupError);
});

test.each([
  { version: '2.11.99', fits: false },
  { version: '2.12.0', fits: true },
  { version: '2.15.1-dev', fits: true },
  { version: '3.0.0', fits: true },
  { version: '', fits: false },
])('nats-server $version is used: $fits', ({ version, fits }) => {
  const check = () => checkServer({ info: { version, jetstream: true } } as never);
  if (fits) expect(check()).toBeUndefined();
  else expect(check).toThrow(/too old: 2.12 or newer is required/);
});
