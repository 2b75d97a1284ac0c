import { GatewayError, type ProviderDefinition, type ProviderKind } from '@gateway/protocol';
import { anthropic } from './anthropic.ts';
import { DemoProvider } from './demo-provider.ts';
import { google } from './google.ts';
import { HttpProvider } from './http-provider.ts';
import { azure, openai, openaiCompatible } from './openai.ts';
import type { Provider } from './provider.ts';
import type { HttpProviderKind } from './provider-kind.ts';
import { vertex } from './vertex.ts';

type KindOf = (definition: ProviderDefinition) => HttpProviderKind;

const HTTP_KINDS: Readonly<Record<Exclude<ProviderKind, 'demo'>, KindOf>> = {
  openai: () => openai,
  'openai-compatible': openaiCompatible,
  anthropic: () => anthropic,
  google: () => google,
  azure,
  vertex,
};

export interface ProviderSettings {
  /** Stands in where the definition has none; without either, the vendor's own address. */
  readonly baseUrl?: string | undefined;
  readonly credential?: string | undefined;
  readonly connectionsMax: number;
}

/**
 * Opens a provider; no connection is made yet. Throws `provider_auth_failed` when its kind needs a
 * credential and there is none or it cannot be one, `unknown_target` when nothing says where it is.
 */
export function openProvider(definition: ProviderDefinition, settings: ProviderSettings): Provider {
  const { name, kind } = definition;
  if (kind === 'demo') return new DemoProvider(name);
  const httpKind = HTTP_KINDS[kind](definition);
  const baseUrl = definition.baseUrl ?? settings.baseUrl ?? httpKind.baseUrl;
  if (baseUrl === undefined) {
    const message = `No base URL is configured for provider ${name}.`;
    throw new GatewayError('unknown_target', message, { provider: name });
  }
  const { credential, connectionsMax } = settings;
  if (credential === undefined && httpKind.needsCredential) {
    const message = `No API key is configured for provider ${name}.`;
    throw new GatewayError('provider_auth_failed', message, { provider: name });
  }
  const { query } = definition;
  return new HttpProvider(httpKind, { name, kind, baseUrl, query, credential, connectionsMax });
}
