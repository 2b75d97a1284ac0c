/**
 * The models that clients may name: the routes of the configuration that are no patterns, and what the
 * providers with a credential list, each under its vendor's name where a route leads there, else as
 * `<provider>/<model>`.
 */
import type { Bus } from '@gateway/bus';
import { type Configuration, type KeyRecord, modelsEndpoint } from '@gateway/protocol';
import { mayUse, routeOf } from './plan.ts';

/** A provider that does not answer in this time is left out of this list. */
const PROVIDER_TIMEOUT_MS = 3_000;
/** How long a provider's list is used before it is asked again. */
const FRESH_MS = 60_000;

export interface ListedModel {
  readonly id: string;
  readonly object: 'model';
  /** Seconds since 1970; 0 where unknown. */
  readonly created: number;
  readonly owned_by: string;
}

interface ProviderList {
  readonly askedAt: number;
  readonly models: Promise<readonly ListedModel[]>;
}

export class ModelList {
  readonly #bus: Bus;
  readonly #configuration: Configuration;
  readonly #lists = new Map<string, ProviderList>();

  constructor(bus: Bus, configuration: Configuration) {
    this.#bus = bus;
    this.#configuration = configuration;
  }

  /** Sorted by id. Never rejects: what cannot be listed now is missing. */
  async list(key: KeyRecord): Promise<readonly ListedModel[]> {
    const providers = this.#configuration.providers.map(({ name }) => this.#ofProvider(name));
    const all = [...this.#routes(), ...(await Promise.all(providers)).flat()];
    const unique = new Map(all.map((model) => [model.id, model]));
    return [...unique.values()]
      .filter(({ id }) => mayUse(key, id))
      .sort((left, right) => left.id.localeCompare(right.id));
  }

  /** The listed model of that id, or one that its provider lists, asked for as `<provider>/<model>`. */
  async find(key: KeyRecord, id: string): Promise<ListedModel | undefined> {
    const listedSo = (await this.list(key)).find((model) => model.id === id);
    if (listedSo || !mayUse(key, id)) return listedSo;
    const [provider = '', ...rest] = id.split('/');
    if (!this.#configuration.providers.some(({ name }) => name === provider)) return undefined;
    const model = (await this.#ofProvider(provider)).find((known) => known.id === rest.join('/'));
    return model && { ...model, id };
  }

  #routes(): ListedModel[] {
    return this.#configuration.models
      .filter((route) => !route.match.endsWith('*'))
      .map(({ match, targets }) => listed(match, 0, targets[0]?.provider ?? ''));
  }

  #ofProvider(provider: string): Promise<readonly ListedModel[]> {
    const known = this.#lists.get(provider);
    if (known && Date.now() - known.askedAt < FRESH_MS) return known.models;
    const models = this.#ask(provider).catch(() => {
      this.#lists.delete(provider);
      return [];
    });
    this.#lists.set(provider, { askedAt: Date.now(), models });
    return models;
  }

  async #ask(provider: string): Promise<readonly ListedModel[]> {
    const { revision } = this.#configuration;
    const { value } = await this.#bus.request(
      modelsEndpoint(provider),
      { value: { configurationRevision: revision } },
      { timeoutMs: PROVIDER_TIMEOUT_MS },
    );
    return value.models.map(({ id, created = 0 }) =>
      listed(this.#leadsTo(provider, id) ? id : `${provider}/${id}`, created, provider),
    );
  }

  /** Whether a client that names the bare model is answered by this provider. */
  #leadsTo(provider: string, model: string): boolean {
    const [first] = routeOf(this.#configuration, model)?.targets ?? [];
    return first?.provider === provider && (first.model ?? model) === model;
  }
}

function listed(id: string, created: number, owner: string): ListedModel {
  return { id, object: 'model', created, owned_by: owner };
}
