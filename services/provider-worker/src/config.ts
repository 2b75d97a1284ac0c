import { type ProviderKind, providerName, type SecretReference } from '@gateway/protocol';
import {
  type Environment,
  integer,
  list,
  parseSettings,
  type Secret,
  secret,
  url,
} from '@gateway/runtime';

/** Stands in for what a provider of that kind does not say in the configuration. */
export interface VendorSettings {
  readonly apiKey?: Secret | undefined;
  readonly baseUrl?: string | undefined;
}

export type SecretForm = 'line' | 'document';

export interface WorkerSettings {
  /** Providers that this worker serves; undefined: all that are configured. */
  readonly providers: readonly string[] | undefined;
  /** Calls in flight for each provider, and sockets to it. */
  readonly concurrency: number;
  readonly vendors: Readonly<Partial<Record<ProviderKind, VendorSettings>>>;
  /**
   * The secret that the configuration refers to, one line or a document of several; undefined where
   * it is not set. Throws a SettingsError for a file that cannot be read.
   */
  readonly resolveSecret: (reference: SecretReference, form: SecretForm) => Secret | undefined;
}

const CONCURRENCY_MAX = 10_000;
const HTTP = { protocols: ['http', 'https'], optional: true } as const;

/** Throws a SettingsError with everything that is wrong. */
export function readSettings(environment: Environment): WorkerSettings {
  const values = parseSettings(
    {
      providers: list('WORKER_PROVIDERS', {
        optional: true,
        description: 'the providers this worker serves, separated by commas; default all',
      }),
      concurrency: integer('WORKER_CONCURRENCY', {
        default: 256,
        min: 1,
        max: CONCURRENCY_MAX,
        description: 'calls in flight for each provider',
      }),
      openaiKey: secret('OPENAI_API_KEY', { optional: true, description: "OpenAI's API key" }),
      openaiBaseUrl: url('OPENAI_BASE_URL', {
        ...HTTP,
        description: "OpenAI's address with /v1, as OpenAI's SDK has it",
      }),
      anthropicKey: secret('ANTHROPIC_API_KEY', {
        optional: true,
        description: "Anthropic's API key",
      }),
      anthropicBaseUrl: url('ANTHROPIC_BASE_URL', {
        ...HTTP,
        description: "Anthropic's address without a version, as Anthropic's SDK has it",
      }),
      googleKey: secret('GOOGLE_AI_API_KEY', {
        optional: true,
        aliases: ['GEMINI_API_KEY'],
        description: "Google's API key",
      }),
      googleBaseUrl: url('GOOGLE_AI_BASE_URL', {
        ...HTTP,
        description: "Google's address without a version, as Google's SDK has it",
      }),
    },
    environment,
    ({ providers }, report) => {
      for (const name of providers ?? []) {
        if (providerName.safeParse(name).success) continue;
        report(
          'WORKER_PROVIDERS must be names of providers: a-z, 0-9 and -, 32 characters at most',
        );
      }
    },
  );
  return {
    providers: values.providers,
    concurrency: values.concurrency,
    vendors: {
      openai: { apiKey: values.openaiKey, baseUrl: values.openaiBaseUrl },
      anthropic: { apiKey: values.anthropicKey, baseUrl: values.anthropicBaseUrl },
      google: { apiKey: values.googleKey, baseUrl: values.googleBaseUrl },
    },
    resolveSecret: (reference, form) => resolveSecret(reference, form, environment),
  };
}

function resolveSecret(
  reference: SecretReference,
  form: SecretForm,
  environment: Environment,
): Secret | undefined {
  const description = 'named as a credential in the configuration';
  const hasLines = form === 'document';
  if ('environment' in reference) {
    const { environment: name } = reference;
    const schema = { credential: secret(name, { optional: true, hasLines, description }) };
    return parseSettings(schema, environment).credential;
  }
  const schema = { credential: secret('CREDENTIAL', { hasLines, description }) };
  return parseSettings(schema, { CREDENTIAL_FILE: reference.file }).credential;
}
