/** The five services as processes of their own on real NATS, Redis and PostgreSQL. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES } from '@gateway/protocol';
import { type Stack, startStack } from '@gateway/stack';
import { repositoryRoot, startOtlpReceiver, startSimulator } from '@gateway/testing';
import { type Gateway, type GatewayOptions, settingsFor } from './gateway.ts';

const RESTARTED = ['ingress', 'audit-writer'] as const;

export interface StackGateway extends Gateway {
  readonly stack: Stack;
  /** What the stack has reported: starts and unexpected ends. */
  readonly reports: readonly string[];
}

export async function startStackGateway(options: GatewayOptions = {}): Promise<StackGateway> {
  await using resources = new AsyncDisposableStack();
  const simulator = resources.use(await startSimulator());
  const otlp = resources.use(await startOtlpReceiver());
  const directory = await mkdtemp(join(tmpdir(), 'gateway-e2e-stack-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const reports: string[] = [];
  const stack = resources.use(
    await startStack({
      root: repositoryRoot,
      directory,
      environment: settingsFor(simulator, otlp, options),
      httpPort: 0,
      operationsPort: 0,
      report: (line) => void reports.push(line),
      signal: new AbortController().signal,
    }),
  );
  const services = SERVICES.map((name) => stack.service(name));
  const held = resources.move();
  return {
    baseUrl: stack.baseUrl,
    clientKey: stack.clientKey,
    adminKey: stack.adminKey,
    simulator,
    otlp,
    stack,
    reports,
    operations: Object.fromEntries(
      services.map(({ service, operationsUrl }) => [service, operationsUrl]),
    ),
    restart: async (signal) => {
      await Promise.all(
        RESTARTED.map(async (name) => {
          await stack.service(name).end(signal);
          await stack.service(name).ready();
        }),
      );
    },
    output: async () => {
      const texts = services.map(async ({ service, logFile }) => {
        return [service, await readFile(logFile, 'utf8')] as const;
      });
      return Object.fromEntries(await Promise.all(texts));
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
