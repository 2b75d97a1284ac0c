import type { Bus, Entry } from '@gateway/bus';
import { buckets, configuration } from '@gateway/protocol';
import type { ServiceContext } from '@gateway/runtime';
import { AnswerBudget } from './answer-budget.ts';
import type { WorkerSettings } from './config.ts';
import { CutOff } from './cut-off.ts';
import { ProviderBreakers } from './provider-breakers.ts';
import { ProviderDirectory } from './provider-directory.ts';
import { ServedProviders } from './served-providers.ts';

export type WorkerContext = Pick<ServiceContext, 'logger' | 'health' | 'signal' | 'drainEnding'> & {
  readonly bus: Bus;
};

/**
 * Serves the providers of every configuration that is published. Resolves when the configurations
 * are being watched; the worker is ready once it has seen one and serves what is in it. Disposing
 * takes no more calls and waits for those that run; `drainEnding` ends them, and they are recorded.
 */
export async function startProviderWorker(
  settings: WorkerSettings,
  context: WorkerContext,
): Promise<AsyncDisposable> {
  const { bus, logger, health, signal } = context;
  const directory = new ProviderDirectory(settings, logger);
  const { concurrency } = settings;
  const served = new ServedProviders({
    bus,
    directory,
    logger,
    breakers: new ProviderBreakers(logger),
    answers: new AnswerBudget(),
    concurrency,
    signal,
    cutOff: new CutOff(context.drainEnding),
  });

  const changed = (key: string, entry: Entry | undefined) => {
    if (entry === undefined) {
      directory.remove(key);
      return;
    }
    const parsed = configuration.safeParse(entry.value);
    if (!parsed.success || parsed.data.revision !== key) {
      logger.error({ key }, 'a published configuration cannot be read');
      return;
    }
    directory.put(parsed.data, entry.revision);
    served.add(directory.names);
    logger.info({ revision: key, providers: [...directory.names] }, 'configuration taken');
  };

  await using resources = new AsyncDisposableStack();
  resources.use(
    health.register('configuration', () => !directory.isEmpty || 'no configuration was published'),
  );
  resources.use(health.register('providers', () => served.state));
  resources.use(health.register('bus', () => bus.outage ?? true));
  resources.use(directory);
  const bucket = await bus.bucket(buckets.configuration);
  const watch = await bucket.watch({ changed, ready: () => undefined });
  resources.defer(() => watch.drain());
  resources.defer(() => served.drain());
  return resources.move();
}
