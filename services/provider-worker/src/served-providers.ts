import type { Subscription } from '@gateway/bus';
import { inferenceEndpoint, keptResponseEndpoint, modelsEndpoint } from '@gateway/protocol';
import { type AttemptContext, attempt } from './attempt.ts';
import { callForKeptResponse } from './kept-responses.ts';
import { listModels } from './models.ts';

const MODEL_LISTS_CONCURRENCY = 8;
const KEPT_RESPONSES_CONCURRENCY = 32;

export interface ServedProvidersOptions extends AttemptContext {
  readonly concurrency: number;
  readonly signal: AbortSignal;
}

/** The subjects that this worker listens on: three for each provider, subscribed when first seen. */
export class ServedProviders {
  readonly #options: ServedProvidersOptions;
  readonly #subscriptions = new Map<string, Promise<readonly Subscription[]>>();
  readonly #unserved = new Set<string>();
  #isDraining = false;

  constructor(options: ServedProvidersOptions) {
    this.#options = options;
  }

  /** Why not every provider is served, or true. */
  get state(): true | string {
    return this.#unserved.size === 0 || `not serving ${[...this.#unserved].join(', ')}`;
  }

  /** A provider that could not be subscribed to is tried again by the next call. */
  add(names: Iterable<string>): void {
    if (this.#isDraining) return;
    for (const name of names) {
      if (this.#subscriptions.has(name)) continue;
      this.#unserved.add(name);
      const subscribing = subscribe(name, this.#options);
      this.#subscriptions.set(name, subscribing);
      subscribing.then(
        () => this.#unserved.delete(name),
        (error: unknown) => {
          this.#subscriptions.delete(name);
          this.#options.logger.error({ error, provider: name }, 'cannot serve provider');
        },
      );
    }
  }

  /** Takes no more calls; resolves when the running ones are done. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const settled = await Promise.allSettled(this.#subscriptions.values());
    const subscriptions = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    await Promise.all(subscriptions.map((subscription) => subscription.drain()));
  }
}

function subscribe(
  name: string,
  options: ServedProvidersOptions,
): Promise<readonly Subscription[]> {
  const { bus, directory, concurrency, signal } = options;
  return Promise.all([
    bus.serve(inferenceEndpoint(name), (call) => attempt(call, options), {
      concurrencyMax: concurrency,
    }),
    bus.respond(modelsEndpoint(name), ({ value }) => listModels(name, value, directory, signal), {
      concurrencyMax: MODEL_LISTS_CONCURRENCY,
    }),
    bus.respond(
      keptResponseEndpoint(name),
      ({ value }) => callForKeptResponse(name, value, directory, signal),
      { concurrencyMax: KEPT_RESPONSES_CONCURRENCY },
    ),
  ]);
}
