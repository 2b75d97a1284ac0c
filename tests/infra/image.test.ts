/**
 * The image's files and start command, as the unprivileged user of the image and with nothing
 * writable but the volumes, on the servers as Compose configures them.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  type RunningServer,
  repositoryRoot,
  spawnTied,
  startNats,
  startRedis,
  waitFor,
} from '@gateway/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { MEMORY_ENVIRONMENT, MEMORY_FLAGS } from '../../infra/npm/memory-settings.mjs';
import { readCompose, readEnvironmentFile } from './compose-file.ts';
import {
  buildContext,
  buildImageTree,
  type Dockerfile,
  filesOf,
  readDockerfile,
} from './image-tree.ts';

const dockerfile: Dockerfile = await readDockerfile();
const [uid = 0, gid = 0] = dockerfile.user.split(':').map(Number);
const isRoot = process.getuid?.() === 0;
const compose = readCompose(
  Object.fromEntries(
    [...readEnvironmentFile('.env.example')].map(([name, value]) => [
      name,
      value || (/_PASSWORD$|PEPPER$|ADMIN_KEY$/.test(name) ? 'p0123456789abcdef0123' : ''),
    ]),
  ),
);
const environmentOf = (name: string) => compose.services[name]?.environment ?? {};

describe('Dockerfile', () => {
  test('copies nothing that the build context lacks', async () => {
    const context = await buildContext();
    for (const { from, sources } of dockerfile.copies) {
      if (from !== undefined) continue;
      for (const source of sources) {
        expect([source, filesOf(source, context).length > 0]).toEqual([source, true]);
      }
    }
  });

  test('copies the manifest of every workspace before it installs', () => {
    const lock = JSON.parse(readFileSync(join(repositoryRoot, 'package-lock.json'), 'utf8'));
    const workspaces = Object.keys(lock.packages).filter(
      (path) => path !== '' && !path.includes('node_modules/'),
    );
    const copied = dockerfile.copies
      .filter(({ stage }) => stage === 0)
      .flatMap(({ sources }) => sources)
      .filter((source) => source.includes('/'));
    expect(copied.map((path) => dirname(path)).sort()).toEqual(workspaces.sort());
    expect(dockerfile.install).toBe('npm ci --omit=dev --omit=optional --ignore-scripts');
  });

  test('lets no test, no secret and no data into the image', async () => {
    const context = await buildContext();
    const unwanted = /\.test\.ts$|\/tests\/|\.env|^\.data|libs\/testing\/src/;
    expect(context.filter((path) => unwanted.test(path))).toEqual([]);
  });

  test('keeps memory small in the way of npm start', () => {
    const { NODE_OPTIONS, ...environment } = dockerfile.environment;
    expect(NODE_OPTIONS?.split(' ')).toEqual(MEMORY_FLAGS);
    expect(environment).toMatchObject(MEMORY_ENVIRONMENT);
  });

  test('runs as a user that is not root', () => {
    expect(dockerfile.user).toBe('65532:65532');
  });
});

test('the collector hands its traces to Jaeger', () => {
  const file = join(repositoryRoot, 'infra/otel-collector/config.yaml');
  const { receivers, processors, exporters, extensions, service } = parse(
    readFileSync(file, 'utf8'),
  );
  const { traces } = service.pipelines;
  for (const name of traces.receivers) expect(receivers).toHaveProperty([name]);
  for (const name of traces.processors) expect(processors).toHaveProperty([name]);
  for (const name of traces.exporters) expect(exporters).toHaveProperty([name]);
  for (const name of service.extensions) expect(extensions).toHaveProperty([name]);
  expect(exporters['otlp/jaeger'].endpoint).toBe('jaeger:4317');
  const { port } = new URL(environmentOf('ingress').OTEL_EXPORTER_OTLP_ENDPOINT ?? '');
  expect(receivers.otlp.protocols.http.endpoint).toBe(`0.0.0.0:${port}`);
});

/** One start of the image's command. */
interface Container extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  /** The value of a field in the first log line with that message. */
  logged(message: string, field: string): Promise<unknown>;
}

describe.runIf(isRoot)('the image, as its user, whom root alone can become', () => {
  let root: string;
  let nats: RunningServer;
  let redis: RunningServer;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gateway-image-'));
    await buildImageTree(root);
    await chmod(root, 0o755);
    for (const volume of ['var/log/gateway', 'var/lib/gateway']) {
      await mkdir(join(root, volume), { recursive: true });
      await chown(join(root, volume), uid, gid);
    }
    nats = await startNats({
      configFile: join(repositoryRoot, 'infra/nats/nats-server.conf'),
      environment: environmentOf('nats'),
    });
    redis = await startRedis();
  });
  afterAll(async () => {
    await nats?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });

  /** Paths of the image and of its volumes, as they are here. */
  function placed(environment: Readonly<Record<string, string>>): Record<string, string> {
    const entries = Object.entries(environment);
    return Object.fromEntries(
      entries.map(([name, value]) => [
        name,
        /^\/(etc|var)\//.test(value) ? join(root, value) : value,
      ]),
    );
  }

  function start(command: readonly string[], variables: Record<string, string>): Container {
    const child = spawnTied(command[0] ?? '', command.slice(1), {
      cwd: join(root, 'gateway'),
      env: {
        PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
        ...placed({ ...dockerfile.environment, ...variables }),
        GATEWAY_METRICS_PORT: '0',
        GATEWAY_METRICS_HOST: '127.0.0.1',
        GATEWAY_PORT: '0',
        GATEWAY_HOST: '127.0.0.1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      runAs: { uid, gid },
    });
    const lines: string[] = [];
    for (const output of [child.stdout, child.stderr]) {
      if (output) createInterface({ input: output }).on('line', (line) => lines.push(line));
    }
    const closed = once(child, 'close');
    return {
      child,
      lines,
      logged: (message, field) =>
        waitFor(
          () => {
            if (child.exitCode !== null) throw new Error(`it ended:\n${lines.join('\n')}`);
            const found = lines.find((line) => line.includes(`"msg":"${message}"`));
            return found && JSON.parse(found)[field];
          },
          { what: message, timeoutMs: 30_000 },
        ),
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM');
        await closed;
      },
    };
  }

  async function isReady(container: Container): Promise<void> {
    await container.logged('started', 'level');
    const port = await container.logged('operations server listens', 'port');
    // As Compose asks, with the port of this start.
    const [, command = '', ...rest] = compose.services.ingress?.healthcheck?.test ?? [];
    expect(command).toBe('node');
    const check = rest.map((argument) => argument.replace('9464', String(port)));
    await waitFor(() => exitCodeOf(check).then((code) => code === 0), {
      what: 'the health check to pass',
      timeoutMs: 10_000,
    });
  }

  function exitCodeOf(nodeArguments: readonly string[]): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    const child = execFile(process.execPath, [...nodeArguments], () =>
      resolve(child.exitCode ?? -1),
    );
    return promise;
  }

  test('starts the whole gateway, with nothing writable but its volumes', async () => {
    await using gateway = start(dockerfile.command, {
      SERVICE: 'all-in-one',
      LOG_FILE: '/var/log/gateway/all-in-one.log',
    });
    await isReady(gateway);
    const port = await gateway.logged('listening', 'port');
    const key = gateway.lines.join('\n').match(/client key {2}(\S+)/)?.[1];
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ object: 'chat.completion' }),
    ]);
    expect(existsSync(join(root, 'var/log/gateway/all-in-one.log'))).toBe(true);
    expect(existsSync(join(root, 'var/lib/gateway/key-pepper'))).toBe(true);
  });

  test('provisions the bus, then starts services as Compose sets them up', async () => {
    const NATS_URL = nats.url;
    const command = compose.services.provision?.command;
    await using provision = start(command as string[], {
      ...environmentOf('provision'),
      NATS_URL,
    });
    const [code] = await once(provision.child, 'exit');
    expect([code, provision.lines]).toEqual([0, ['streams, consumers and buckets are there']]);
    const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: '' };
    await using cache = start(dockerfile.command, {
      ...environmentOf('cache'),
      ...traces,
      SERVICE: 'cache',
      NATS_URL,
      REDIS_URL: redis.url,
      REDIS_PASSWORD: '',
    });
    await using ingress = start(dockerfile.command, {
      ...environmentOf('ingress'),
      ...traces,
      SERVICE: 'ingress',
      NATS_URL,
      GATEWAY_API_KEY: '',
    });
    await Promise.all([isReady(cache), isReady(ingress)]);
    const logs = ['cache.log', 'ingress.log'].map((name) => join(root, 'var/log/gateway', name));
    expect(logs.filter((file) => !existsSync(file))).toEqual([]);
  });

  test.each(['ingress', 'rate-limiter', 'cache', 'provider-worker', 'audit-writer'])(
    'ends %s with 78 when its settings are missing',
    async (SERVICE) => {
      await using container = start(dockerfile.command, { SERVICE });
      const [code] = await once(container.child, 'exit');
      expect(code).toBe(78);
      expect(container.lines.join('\n')).toContain('NATS_URL is required');
    },
  );

  test('has a health check that fails where nobody listens', async () => {
    const [, , ...rest] = compose.services.ingress?.healthcheck?.test ?? [];
    expect(await exitCodeOf(rest.map((argument) => argument.replace('9464', '1')))).toBe(1);
  });

  test('meets a bus that refuses who has no name', async () => {
    const socket = connect(nats.port, '127.0.0.1');
    socket.setEncoding('utf8').write('CONNECT {"verbose":false}\r\nPING\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toContain("-ERR 'Authorization Violation'");
    expect(text).not.toContain('PONG');
  });
});
