/** nats-server with the configuration that we ship, and each peer behind a link that can be cut. */

import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newInstanceId, SERVICES, type ServiceName } from '@gateway/protocol';
import { type RunningServer, repositoryRoot, startNats } from '@gateway/testing';
import type { Bus } from '../src/bus.ts';
import { connectNatsBus } from '../src/nats/nats-bus.ts';
import { provisionNats } from '../src/nats/provision.ts';
import type { SpoolOptions } from '../src/spool/spool.ts';
import type { BusFixture } from './contract/bus-fixture.ts';

export const SPOOL_BYTES_MAX = 1024 * 1024;
/** Events that `spool-main.ts` has on their way at the same time. */
export const RECORDED_AT_ONCE = 4;
const CONFIGURATION = 'infra/nats/nats-server.conf';

export type NatsUser = ServiceName | 'provisioner';

export function passwordOf(user: NatsUser): string {
  return `password-of-${user}`;
}

function passwords(): Record<string, string> {
  const users: NatsUser[] = [...SERVICES, 'provisioner'];
  return Object.fromEntries(
    users.map((user) => [
      `NATS_${user.toUpperCase().replaceAll('-', '_')}_PASSWORD`,
      passwordOf(user),
    ]),
  );
}

/** Started and provisioned. */
export async function startProvisionedNats(): Promise<RunningServer> {
  const server = await startNats({
    configFile: join(repositoryRoot, CONFIGURATION),
    environment: passwords(),
  });
  await provision(server);
  return server;
}

/** Also restores what a test has changed. */
export function provision({ url }: RunningServer): Promise<void> {
  return provisionNats({ url, user: 'provisioner', password: passwordOf('provisioner') });
}

export function connectAs(service: ServiceName, url: string, spool?: SpoolOptions): Promise<Bus> {
  return connectNatsBus({
    url,
    user: service,
    password: passwordOf(service),
    identity: { service, instance: newInstanceId() },
    ...(spool && { spool }),
  });
}

/** A TCP link to the server. */
export class Link implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isStalled = false;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connectSocket(port, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.setNoDelay(true);
        if (this.#isStalled) from.pause();
        else from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  static async open(port: number): Promise<Link> {
    const link = new Link(port);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the link is closed');
    return `nats://127.0.0.1:${address.port}`;
  }

  /** Both ends stay connected and nothing passes. */
  stall(): void {
    this.#isStalled = true;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** Breaks what is connected; a new connection is taken, and passes everything. */
  break(): void {
    this.#isStalled = false;
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.break();
    await closed;
  }
}

export async function openNatsFixture(): Promise<BusFixture> {
  const server = await startProvisionedNats();
  const links = new Map<Bus, Link>();
  const directory = await mkdtemp(join(tmpdir(), 'gateway-spool-'));
  const spool = { directory, bytesMax: SPOOL_BYTES_MAX };
  return {
    connect: async (service) => {
      const link = await Link.open(server.port);
      const bus = await connectAs(service, link.url, spool);
      links.set(bus, link);
      return bus;
    },
    kill: async (bus) => {
      await links.get(bus)?.[Symbol.asyncDispose]();
      links.delete(bus);
      // What is left of it in this process: it can reach nobody any more.
      await bus.drain();
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...links.values()].map((link) => link[Symbol.asyncDispose]()));
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
