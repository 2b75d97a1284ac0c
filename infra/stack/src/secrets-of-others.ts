import type { ServiceName } from '@gateway/protocol';

/** Secrets that may be set for all services at once, and the one service that each is for. */
const OWNERS: Readonly<Record<string, ServiceName>> = {
  GATEWAY_API_KEY: 'ingress',
  GATEWAY_ADMIN_KEY: 'ingress',
  GATEWAY_KEY_PEPPER: 'ingress',
  OPENAI_API_KEY: 'provider-worker',
  ANTHROPIC_API_KEY: 'provider-worker',
  GOOGLE_AI_API_KEY: 'provider-worker',
  GEMINI_API_KEY: 'provider-worker',
};

/**
 * The environment without the secrets of other services, so that only the provider worker holds the
 * credentials of providers. Those that the configuration names are under names of the operator's own
 * and stay.
 */
export function withoutSecretsOfOthers(
  environment: Readonly<Record<string, string>>,
  service: ServiceName,
): Record<string, string> {
  const isForIt = (name: string) => (OWNERS[name.replace(/_FILE$/, '')] ?? service) === service;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isForIt(name)));
}
