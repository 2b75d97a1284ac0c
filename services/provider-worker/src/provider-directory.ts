import { type Configuration, GatewayError, type ProviderDefinition } from '@gateway/protocol';
import { openProvider, type Provider } from '@gateway/providers';
import { SettingsError } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import type { WorkerSettings } from './config.ts';

/** Revisions kept at once: requests planned under an older one are answered `unknown_target`. */
export const CONFIGURATIONS_MAX = 32;

/** A provider ready to be called, or why it cannot be. */
type Opened = { readonly provider: Provider } | { readonly error: GatewayError };

interface Held {
  readonly configuration: Configuration;
  /** The identities of its providers by their names. */
  readonly identities: ReadonlyMap<string, string>;
  /** Orders the configurations by when they were published. */
  readonly sequence: number;
}

/**
 * The providers of the newest configurations. Equal definitions share a provider and with it a
 * connection pool, so a new revision costs nothing where nothing changed for a provider.
 */
export class ProviderDirectory implements AsyncDisposable {
  readonly #settings: WorkerSettings;
  readonly #logger: Logger;
  readonly #held = new Map<string, Held>();
  readonly #opened = new Map<string, Opened>();
  /** No configuration has them any more, but a call may still run. */
  readonly #closing = new Set<Provider>();

  constructor(settings: WorkerSettings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** Names of all providers that this worker is to serve. */
  get names(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { configuration } of this.#held.values()) {
      for (const { name } of configuration.providers) {
        if (this.#settings.providers?.includes(name) ?? true) names.add(name);
      }
    }
    return names;
  }

  put(configuration: Configuration, sequence: number): void {
    const identities = new Map(configuration.providers.map((one) => [one.name, identity(one)]));
    this.#held.set(configuration.revision, { configuration, identities, sequence });
    if (this.#held.size > CONFIGURATIONS_MAX) this.#held.delete(this.#oldestRevision());
    this.#openAndClose();
  }

  remove(revision: string): void {
    if (this.#held.delete(revision)) this.#openAndClose();
  }

  /**
   * The provider of that name in that revision. Throws `unknown_target` when there is none, or the
   * reason why it cannot be called.
   */
  find(revision: string, name: string): Provider {
    const held = this.#held.get(revision);
    const key = held?.identities.get(name);
    const opened = key === undefined ? undefined : this.#opened.get(key);
    if (opened === undefined) {
      const what = held === undefined ? `revision ${revision}` : `provider ${name}`;
      throw new GatewayError('unknown_target', 'The configuration is not known here yet.', {
        detail: `unknown ${what}`,
        provider: name,
      });
    }
    if ('error' in opened) throw opened.error;
    return opened.provider;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const providers = [...this.#opened.values()].flatMap((opened) =>
      'provider' in opened ? [opened.provider] : [],
    );
    this.#held.clear();
    this.#opened.clear();
    const all = [...providers, ...this.#closing];
    await Promise.all(all.map((provider) => provider[Symbol.asyncDispose]()));
  }

  #oldestRevision(): string {
    const held = [...this.#held.entries()];
    const [revision] = held.reduce((oldest, one) =>
      one[1].sequence < oldest[1].sequence ? one : oldest,
    );
    return revision;
  }

  #openAndClose(): void {
    const wanted = new Map<string, ProviderDefinition>();
    const names = this.names;
    for (const { configuration } of this.#held.values()) {
      for (const definition of configuration.providers) {
        if (names.has(definition.name)) wanted.set(identity(definition), definition);
      }
    }
    for (const [key, definition] of wanted) {
      if (!this.#opened.has(key)) this.#opened.set(key, this.#open(definition));
    }
    for (const [key, opened] of this.#opened) {
      if (wanted.has(key)) continue;
      this.#opened.delete(key);
      if ('provider' in opened) this.#close(opened.provider);
    }
  }

  #open(definition: ProviderDefinition): Opened {
    const { vendors, concurrency } = this.#settings;
    try {
      const provider = openProvider(definition, {
        baseUrl: vendors[definition.kind]?.baseUrl,
        credential: this.#credentialOf(definition),
        connectionsMax: concurrency,
      });
      return { provider };
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) throw thrown;
      this.#logger.warn(
        { provider: definition.name, reason: thrown.message },
        'cannot call provider',
      );
      return { error: thrown };
    }
  }

  #credentialOf({ name, kind, credential }: ProviderDefinition): string | undefined {
    if (credential === undefined) return this.#settings.vendors[kind]?.apiKey?.reveal();
    try {
      const form = kind === 'vertex' ? 'document' : 'line';
      const found = this.#settings.resolveSecret(credential, form);
      if (found !== undefined) return found.reveal();
    } catch (thrown) {
      if (!(thrown instanceof SettingsError)) throw thrown;
      this.#logger.warn({ provider: name, problems: thrown.problems }, 'cannot read API key');
    }
    // A credential that is configured and missing is not the same as none: without it, the
    // provider would refuse every call.
    const message = `No API key is configured for provider ${name}.`;
    throw new GatewayError('provider_auth_failed', message, { provider: name });
  }

  #close(provider: Provider): void {
    this.#closing.add(provider);
    provider
      .close()
      .catch((error: unknown) => this.#logger.debug({ error }, 'closing a provider failed'))
      .finally(() => this.#closing.delete(provider));
  }
}

/** Every field counts: what was parsed has its fields in one order. */
function identity(definition: ProviderDefinition): string {
  return JSON.stringify(definition);
}
