/**
 * Responses that a provider keeps. Which one, and whose they are, the id says; nothing is kept here.
 * @see https://platform.openai.com/docs/api-reference/responses/get
 */
import type { Bus } from '@gateway/bus';
import {
  openResponseId,
  responseIdKey,
  responseNotFound,
  type StateAction,
} from '@gateway/dialects';
import { type Configuration, GatewayError, keptResponseEndpoint } from '@gateway/protocol';
import type { Secret } from '@gateway/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The worker gives the provider 10 s. */
const REPLY_TIMEOUT_MS = 11_000;
const VALUES_MAX = 32;
const VALUE_CHARACTERS_MAX = 512;

/** What of the query goes on to the provider. */
const PARAMETERS: Readonly<Record<StateAction, readonly string[]>> = {
  get: ['include', 'include[]'],
  delete: [],
  'input-items': ['include', 'include[]', 'after', 'limit', 'order'],
};

export interface KeptResponsesOptions {
  readonly bus: Bus;
  readonly configuration: Configuration;
  readonly pepper: Secret;
}

type IdRequest = FastifyRequest<{ Params: { id: string } }>;

export function keptResponses(app: FastifyInstance, options: KeptResponsesOptions): void {
  const config = { access: 'client' } as const;
  const answer = (action: StateAction) => (request: IdRequest, reply: FastifyReply) =>
    call(action, request, reply, options);
  app.get('/v1/responses/:id', { config }, answer('get'));
  app.delete('/v1/responses/:id', { config }, answer('delete'));
  app.get('/v1/responses/:id/input_items', { config }, answer('input-items'));
}

/** Throws `not_found` for an id that this tenant was not given, whatever is behind it. */
async function call(
  action: StateAction,
  request: IdRequest,
  reply: FastifyReply,
  { bus, configuration, pepper }: KeptResponsesOptions,
): Promise<FastifyReply> {
  const { key, requestId, params } = request;
  if (!key) throw new Error('The routes of kept responses must not be public.');
  const query = readQuery(action, request.url);
  const stateKey = responseIdKey(pepper.reveal(), key.tenant);
  const kept = openResponseId(stateKey, params.id);
  if (!configuration.providers.some(({ name }) => name === kept?.provider))
    throw responseNotFound();
  const { provider, id } = kept as { provider: string; id: string };
  const value = {
    requestId,
    configurationRevision: configuration.revision,
    action,
    id,
    stateKey,
    query,
  };
  const answer = await bus.request(
    keptResponseEndpoint(provider),
    { value },
    { timeoutMs: REPLY_TIMEOUT_MS },
  );
  return reply.type(answer.value.contentType).send(Buffer.from(answer.body ?? []));
}

function readQuery(action: StateAction, url: string): [string, string][] {
  const given = [...new URL(url, 'http://gateway').searchParams];
  const streamed = given.find(([name, value]) => name === 'stream' && value !== 'false');
  if (streamed !== undefined) throw refusal('stream', 'a kept response is not streamed again');
  const query = given.filter(([name]) => PARAMETERS[action].includes(name));
  if (query.length > VALUES_MAX) throw refusal('include', `at most ${VALUES_MAX} values`);
  for (const [name, value] of query) {
    if (value.length <= VALUE_CHARACTERS_MAX) continue;
    throw refusal(name, `at most ${VALUE_CHARACTERS_MAX} characters`);
  }
  return query;
}

function refusal(param: string, why: string): GatewayError {
  const message = `Invalid '${param}': ${why}.`;
  return new GatewayError('invalid_request', message, { param, reason: 'invalid_value' });
}
