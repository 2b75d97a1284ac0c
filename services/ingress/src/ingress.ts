/** The composition root of the ingress. */
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@gateway/bus';
import { buckets, type Configuration, toGatewayError } from '@gateway/protocol';
import { listenAt, type ServiceContext } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import { adminKeys } from './admin/keys.ts';
import { adminRequests } from './admin/requests.ts';
import { ByteBudget } from './byte-budget.ts';
import type { IngressSettings } from './config.ts';
import { createHttpServer } from './http-server.ts';
import { KeyDirectory } from './key-directory.ts';
import { Ledger } from './ledger.ts';
import { Limits } from './limits.ts';
import { LoadGuard } from './load-guard.ts';
import { ModelList } from './model-list.ts';
import { refusalEvent } from './refusal-event.ts';
import { RefusalQueue } from './refusal-queue.ts';
import { RetryBudget } from './retry-budget.ts';
import { health } from './routes/health.ts';
import { inference } from './routes/inference.ts';
import { keptResponses } from './routes/kept-responses.ts';
import { models } from './routes/models.ts';
import { RunningCalls } from './running-calls.ts';
import { RunningRequests } from './running-requests.ts';
import { StoredAnswers } from './stored-answers.ts';

const BUS_RETRY_MS = 500;

export interface Ingress extends AsyncDisposable {
  readonly host: string;
  /** The port that it listens on, also where any was asked for. */
  readonly port: number;
  readonly keys: KeyDirectory;
}

/** Listens once the keys are known and the configuration is published. */
export async function startIngress(
  settings: IngressSettings,
  context: ServiceContext & { readonly bus: Bus },
): Promise<Ingress> {
  const { bus, logger, signal } = context;
  const { configuration } = settings;
  await using resources = new AsyncDisposableStack();
  const keys = resources.use(
    await untilReached(signal, logger, () => KeyDirectory.open({ bus, logger, ...settings })),
  );
  await untilReached(signal, logger, () => publishConfiguration(bus, configuration));
  const ledger = resources.use(new Ledger(bus, logger));
  const refusals = resources.use(
    new RefusalQueue({ bus, logger, configurationRevision: configuration.revision }),
  );
  const limits = resources.use(new Limits({ bus, configuration, logger }));
  const running = resources.use(new RunningRequests());
  const load = resources.use(new LoadGuard({ runningMax: settings.runningRequestsMax }));
  const budget = new ByteBudget(settings.bufferedBytesMax, settings.bodyBytesMax);
  resources.use(context.health.register('bus', () => bus.outage ?? true));
  resources.use(context.health.register('ledger', () => ledger.outage ?? true));

  const app = createHttpServer({
    ...settings,
    keys,
    budget,
    load,
    logger,
    drainEnding: context.drainEnding,
    unauthenticated: (request, error) =>
      refusals.add(refusalEvent(request, error, configuration.revision)),
    tooManyFailedKeys: () => refusals.count('too_many_failed_keys'),
    refused: (request, error) =>
      ledger
        .record(refusalEvent(request, error, configuration.revision))
        .then(() => error, toGatewayError),
  });
  const storedAnswers = new StoredAnswers(bus, logger);
  const retryBudget = new RetryBudget();
  const admitted = { bus, ledger, configuration, limits, storedAnswers, retryBudget, logger };
  const { drainEnding } = context;
  const calls = new RunningCalls(drainEnding);
  const path = { ...admitted, byteBudget: budget, calls, drainEnding };
  inference(app, path, running, settings.pepper);
  keptResponses(app, { bus, configuration, pepper: settings.pepper });
  models(app, new ModelList(bus, configuration));
  adminKeys(app, keys, ledger);
  adminRequests(app, bus);
  const outage = () => bus.outage ?? ledger.outage ?? bus.clockSkew;
  health(app, () => outage() === undefined && !signal.aborted);
  const address = {
    ...{ host: settings.host, hostSetting: 'GATEWAY_HOST' },
    ...{ port: settings.port, portSetting: 'GATEWAY_PORT' },
  };
  await listenAt(address, (at) => app.listen(at));
  resources.defer(() => app.close());

  const { port } = app.server.address() as AddressInfo;
  logger.info({ host: settings.host, port, revision: configuration.revision }, 'listening');
  const held = resources.move();
  return {
    host: settings.host,
    port,
    keys,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Each revision has its own key, so that replicas with different files do not fight over one. */
async function publishConfiguration(bus: Bus, configuration: Configuration): Promise<void> {
  const bucket = await bus.bucket(buckets.configuration);
  await bucket.put(configuration.revision, configuration);
}

/** Tries until the bus has answered; an ingress that waits is alive and not ready. */
async function untilReached<Result>(
  signal: AbortSignal,
  logger: Logger,
  action: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      logger.warn({ reason: toGatewayError(error).message }, 'waiting for the bus');
      await sleep(BUS_RETRY_MS, undefined, { signal });
    }
  }
}
