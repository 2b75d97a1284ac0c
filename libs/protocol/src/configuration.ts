/**
 * The live configuration as the ingress publishes it: whole, validated and without secrets. Each
 * revision stands under its own key, so a worker can serve requests planned under the one before.
 */
import { z } from 'zod';
import { fieldsOf, hasFields, isWhole } from './exact-check.ts';
import { concurrency, requestLimit } from './keys.ts';

export const CONFIGURATION_SCHEMA = 1;

/** Provider names become subject tokens, so they are a closed alphabet. */
export const providerName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);

export const PROVIDER_KINDS = [
  'openai',
  'openai-compatible',
  'anthropic',
  'google',
  'azure',
  'vertex',
  'demo',
] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/** Where a secret is found by the service that needs it. */
export const secretReference = z.union([
  z.strictObject({ environment: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
  z.strictObject({ file: z.string().min(1) }),
]);

const HOUR_MS = 60 * 60 * 1000;
const CONNECT_MS_MAX = 60_000;

export const timeouts = z.strictObject({
  /** TCP and TLS to the provider. */
  connectMs: z.number().int().min(1).max(CONNECT_MS_MAX),
  /** From the request sent to the first byte of the answer. */
  firstByteMs: z.number().int().min(1).max(HOUR_MS),
  /** Between two reads of a streamed answer. */
  idleMs: z.number().int().min(1).max(HOUR_MS),
  /** The whole request, all attempts together. */
  totalMs: z.number().int().min(1).max(HOUR_MS),
});

export function isTimeouts(value: unknown): boolean {
  const { connectMs, firstByteMs, idleMs, totalMs } = fieldsOf(value);
  return (
    isWhole(connectMs, 1, CONNECT_MS_MAX) &&
    isWhole(firstByteMs, 1, HOUR_MS) &&
    isWhole(idleMs, 1, HOUR_MS) &&
    isWhole(totalMs, 1, HOUR_MS) &&
    hasFields(value, 4)
  );
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  connectMs: 5_000,
  firstByteMs: 120_000,
  idleMs: 60_000,
  totalMs: 600_000,
};

const QUERY_PARAMETERS_MAX = 8;

/** Parameters of an address that every call of a provider has, such as `api-version`. No secrets. */
export const providerQuery = z
  .record(z.string().regex(/^[A-Za-z0-9._-]{1,64}$/), z.string().min(1).max(256))
  .refine((query) => Object.keys(query).length <= QUERY_PARAMETERS_MAX, {
    message: `at most ${QUERY_PARAMETERS_MAX} parameters`,
  });

/** Both become parts of an address, so they are closed alphabets. */
export const googleProject = z.string().regex(/^[a-z][a-z0-9.:-]{0,63}$|^[0-9]{1,20}$/);
export const googleLocation = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);

export const providerDefinition = z.object({
  name: providerName,
  kind: z.enum(PROVIDER_KINDS),
  /** As the vendor's own SDK takes it. Absent: the worker's setting, or the vendor's address. */
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  /** Absent: the worker's setting of the vendor, or no credential for a server that wants none. */
  credential: secretReference.optional(),
  /** `openai-compatible` and `azure`: whether the server speaks the Responses API, too. */
  responses: z.boolean().optional(),
  /** `openai-compatible` and `azure`. */
  query: providerQuery.optional(),
  /** `vertex`: whose quota and bill it is, and where the models run. */
  project: googleProject.optional(),
  location: googleLocation.optional(),
});

export const modelTarget = z.object({
  provider: providerName,
  /** The provider's name of the model. Absent: the name that the client used. */
  model: z.string().min(1).max(256).optional(),
});

/**
 * What becomes of a provider call whose client has left: it is cancelled, or it runs on to its end,
 * so that its answer is kept by the cache and its usage is the provider's own.
 */
export const CLIENT_LEAVES = ['cancel', 'finish'] as const;

/** What becomes of requests with limits while nobody can check them. */
export const LIMITER_UNAVAILABLE = ['refuse', 'admit'] as const;

export const modelRoute = z.object({
  /** A model name, or a pattern with one `*` at its end. */
  match: z
    .string()
    .regex(/^[^*\s]+\*?$/)
    .max(256),
  /** Tried in order until one answers. */
  targets: z.array(modelTarget).min(1).max(8),
  timeouts: timeouts.partial().optional(),
  /** `cancel` when absent. */
  clientLeaves: z.enum(CLIENT_LEAVES).optional(),
});

export const cachePolicy = z.object({
  enabled: z.boolean(),
  /** How long an answer to a deterministic request is kept. */
  ttlSeconds: z
    .number()
    .int()
    .min(1)
    .max(30 * 24 * 60 * 60),
});

export const configuration = z.object({
  schema: z.literal(CONFIGURATION_SCHEMA),
  /** 16 hex characters of the SHA-256 of the rest. */
  revision: z.string().regex(/^[0-9a-f]{16}$/),
  providers: z.array(providerDefinition).max(64),
  models: z.array(modelRoute).max(1024),
  timeouts,
  cache: cachePolicy,
  /** Limit of a key that has none of its own; absent means no limit. */
  keyLimit: requestLimit.optional(),
  /** The same for requests at the same time. */
  keyConcurrency: concurrency.optional(),
  /** `refuse` when absent. */
  limiterUnavailable: z.enum(LIMITER_UNAVAILABLE).optional(),
});

export type SecretReference = z.infer<typeof secretReference>;
export type Timeouts = z.infer<typeof timeouts>;
export type ProviderDefinition = z.infer<typeof providerDefinition>;
export type ModelTarget = z.infer<typeof modelTarget>;
export type ModelRoute = z.infer<typeof modelRoute>;
export type CachePolicy = z.infer<typeof cachePolicy>;
export type Configuration = z.infer<typeof configuration>;
