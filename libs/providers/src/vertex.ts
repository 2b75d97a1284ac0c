import type { ProviderRequest } from '@gateway/dialects';
import { GatewayError, type ProviderDefinition } from '@gateway/protocol';
import { google } from './google.ts';
import type { HttpProviderKind } from './provider-kind.ts';
import { parseServiceAccount } from './service-account.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';

/** What Vertex takes to count tokens, in both spellings. */
const COUNTED_FIELDS: readonly string[] = [
  'contents',
  'systemInstruction',
  'system_instruction',
  'tools',
  'generationConfig',
  'generation_config',
];

/**
 * Gemini's dialect at Google Cloud. The models of Google are called by the names that they have
 * there, other resources by their path in the location (`publishers/…`, `endpoints/…`) or whole
 * (`projects/…`). Throws `unknown_target` without a project or location.
 * @see https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
 */
export function vertex({ name, project, location }: ProviderDefinition): HttpProviderKind {
  if (project === undefined || location === undefined) {
    const message = `No project and location are configured for provider ${name}.`;
    throw new GatewayError('unknown_target', message, { provider: name });
  }
  const parent = `projects/${encodeURIComponent(project)}/locations/${location}`;
  return {
    ...google,
    baseUrl: `https://${hostOf(location)}/v1`,
    headers: (credential): Record<string, string> =>
      credential === undefined ? {} : { authorization: `Bearer ${credential}` },
    openTokens: (provider, credential) =>
      credential.trimStart().startsWith('{')
        ? new ServiceAccountTokens(provider, parseServiceAccount(provider, credential))
        : undefined,
    adapt: (request) => adapt(request, parent),
    // The list is of what Google publishes anywhere.
    modelsPath: undefined,
  };
}

function hostOf(location: string): string {
  return location === 'global'
    ? 'aiplatform.googleapis.com'
    : `${location}-aiplatform.googleapis.com`;
}

function adapt(request: ProviderRequest, parent: string): ProviderRequest {
  const [resource = '', method = ''] = request.path.replace(/^\/v1beta\//, '').split(/:(?=[^:]*$)/);
  if (/^(?:batchEmbedContents|embedContent)$/.test(method)) {
    const message = "Unsupported value: 'model' names a provider that is not asked for embeddings.";
    throw new GatewayError('invalid_request', message, {
      param: 'model',
      reason: 'unsupported_value',
    });
  }
  const path = `/${resourceIn(resource, parent)}:${method}`;
  if (method !== 'countTokens') return { ...request, path };
  return { ...request, path, body: countedBody(request.body) };
}

function resourceIn(resource: string, parent: string): string {
  if (resource.startsWith('projects/')) return resource;
  const published = resource.startsWith('models/') ? `publishers/google/${resource}` : resource;
  return `${parent}/${published}`;
}

/** Here a count is of the fields themselves, where Gemini's own API has a whole request in one. */
function countedBody(body: Uint8Array): Uint8Array {
  const asked = JSON.parse(Buffer.from(body).toString('utf8'));
  const prompt = asked.generateContentRequest ?? asked.generate_content_request ?? asked;
  const counted = Object.entries(prompt).filter(([field]) => COUNTED_FIELDS.includes(field));
  return Buffer.from(JSON.stringify(Object.fromEntries(counted)));
}
