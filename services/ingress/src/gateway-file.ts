/**
 * The optional YAML file and the configuration that results from it: the file's providers and routes
 * before the built-in ones, so that an operator can redefine both.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  CONFIGURATION_SCHEMA,
  type Configuration,
  cachePolicy,
  configuration,
  DEFAULT_TIMEOUTS,
  type ModelRoute,
  PROVIDER_KINDS,
  type ProviderDefinition,
  providerName,
  type RequestLimit,
  secretReference,
  type Timeouts,
} from '@gateway/protocol';
import { SettingsError } from '@gateway/runtime';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';

const BUILT_IN_PROVIDERS: readonly ProviderDefinition[] = [
  { name: 'openai', kind: 'openai' },
  { name: 'anthropic', kind: 'anthropic' },
  { name: 'google', kind: 'google' },
];

const DEMO_PROVIDER: ProviderDefinition = { name: 'demo', kind: 'demo' };
const DEMO_ROUTE: ModelRoute = { match: 'demo', targets: [{ provider: 'demo' }] };

const BUILT_IN_ROUTES: readonly ModelRoute[] = [
  ...['gpt-*', 'chatgpt-*', 'o1*', 'o3*', 'o4*'].map((match) => routeTo('openai', match)),
  routeTo('anthropic', 'claude-*'),
  routeTo('google', 'gemini-*'),
];

const DEFAULT_CACHE_TTL_SECONDS = 3600;
const FILE_BYTES_MAX = 1024 * 1024;

const durationSeconds = z.number().positive().max(3600);

const fileTimeouts = z.strictObject({
  connect_seconds: durationSeconds.optional(),
  first_byte_seconds: durationSeconds.optional(),
  idle_seconds: durationSeconds.optional(),
  total_seconds: durationSeconds.optional(),
});

const gatewayFile = z.strictObject({
  providers: z
    .record(
      providerName,
      z.strictObject({
        kind: z.enum(PROVIDER_KINDS).optional(),
        base_url: z.url({ protocol: /^https?$/ }).optional(),
        api_key: secretReference.optional(),
      }),
    )
    .default({}),
  models: z
    .array(
      z.strictObject({
        match: z
          .string()
          .max(256)
          .regex(/^[^*\s]+\*?$/, 'a name, or a prefix followed by *'),
        targets: z
          .array(
            z.strictObject({
              provider: providerName,
              model: z.string().min(1).max(256).optional(),
            }),
          )
          .min(1)
          .max(8),
        timeouts: fileTimeouts.optional(),
      }),
    )
    .max(1000)
    .default([]),
  timeouts: fileTimeouts.default({}),
  cache: cachePolicyFile().prefault({}),
  limits: z
    .strictObject({
      requests: z.number().int().min(1).max(1_000_000_000),
      window_seconds: z
        .number()
        .int()
        .min(1)
        .max(31 * 24 * 60 * 60),
    })
    .optional(),
  /** Whether the `demo` model, which needs no provider, answers. */
  demo: z.boolean().default(true),
});

type GatewayFile = z.infer<typeof gatewayFile>;

/**
 * Reads and checks the file; without a path the built-in configuration. `keyLimit` is the limit that
 * the environment sets; the file's own outranks it. Throws a SettingsError with every problem, each
 * with its line.
 */
export function readGatewayFile(
  path: string | undefined,
  keyLimit: RequestLimit | undefined,
): Configuration {
  const file = path === undefined ? gatewayFile.parse({}) : parseGatewayFile(path, readText(path));
  return toConfiguration(path ?? 'the configuration', file, keyLimit);
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    throw new SettingsError([`GATEWAY_CONFIG names a file that cannot be read${code}`]);
  }
  if (bytes.length > FILE_BYTES_MAX) {
    throw new SettingsError([`GATEWAY_CONFIG names a file of more than ${FILE_BYTES_MAX} bytes`]);
  }
  return bytes.toString('utf8');
}

function parseGatewayFile(path: string, text: string): GatewayFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  if (document.errors.length > 0) {
    throw new SettingsError(
      document.errors.map((error) => `${at(error.pos[0])}: ${error.message.split('\n')[0]}`),
    );
  }
  const parsed = gatewayFile.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  throw new SettingsError(
    parsed.error.issues.map((issue) => {
      const where = at(offsetOf(document, issue.path));
      return `${where}: ${issue.path.join('.') || 'the file'}: ${issue.message}`;
    }),
  );
}

/** Where the nearest node of the path stands, so that also a missing key is shown near its place. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function toConfiguration(
  path: string,
  file: GatewayFile,
  keyLimit: RequestLimit | undefined,
): Configuration {
  const problems: string[] = [];
  const providers = mergeProviders(path, file, problems);
  const names = new Set(providers.map((provider) => provider.name));
  const routes = file.models.map(
    (model): ModelRoute => ({
      match: model.match,
      targets: model.targets.map(({ provider, model: name }) => ({
        provider,
        ...(name !== undefined && { model: name }),
      })),
      ...(model.timeouts && { timeouts: toTimeouts(model.timeouts) }),
    }),
  );
  for (const route of routes) {
    for (const { provider } of route.targets) {
      if (!names.has(provider)) {
        problems.push(
          `${path}: model ${route.match} has a target of no known provider: ${provider}`,
        );
      }
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  const limit = file.limits
    ? { requests: file.limits.requests, windowSeconds: file.limits.window_seconds }
    : keyLimit;
  const content = {
    schema: CONFIGURATION_SCHEMA,
    providers,
    models: [...routes, ...BUILT_IN_ROUTES, ...(file.demo ? [DEMO_ROUTE] : [])],
    timeouts: { ...DEFAULT_TIMEOUTS, ...toTimeouts(file.timeouts) },
    cache: { enabled: file.cache.enabled, ttlSeconds: file.cache.ttl_seconds },
    ...(limit && { keyLimit: limit }),
  };
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return configuration.parse({ ...content, revision: digest.slice(0, 16) });
}

function mergeProviders(path: string, file: GatewayFile, problems: string[]): ProviderDefinition[] {
  const merged = new Map(
    [...BUILT_IN_PROVIDERS, ...(file.demo ? [DEMO_PROVIDER] : [])].map((provider) => [
      provider.name,
      provider,
    ]),
  );
  for (const [name, entry] of Object.entries(file.providers)) {
    const kind = entry.kind ?? merged.get(name)?.kind;
    if (kind === undefined) {
      problems.push(`${path}: provider ${name} needs a kind: one of ${PROVIDER_KINDS.join(', ')}`);
      continue;
    }
    if (kind === 'openai-compatible' && entry.base_url === undefined) {
      problems.push(`${path}: provider ${name} needs a base_url`);
    }
    merged.set(name, {
      name,
      kind,
      ...(entry.base_url !== undefined && { baseUrl: entry.base_url }),
      ...(entry.api_key !== undefined && { credential: entry.api_key }),
    });
  }
  return [...merged.values()];
}

function toTimeouts(file: z.infer<typeof fileTimeouts>): Partial<Timeouts> {
  const entries = [
    ['connectMs', file.connect_seconds],
    ['firstByteMs', file.first_byte_seconds],
    ['idleMs', file.idle_seconds],
    ['totalMs', file.total_seconds],
  ] as const;
  return Object.fromEntries(
    entries
      .filter(([, seconds]) => seconds !== undefined)
      .map(([name, seconds]) => [name, Math.round((seconds as number) * 1000)]),
  );
}

function cachePolicyFile() {
  return z.strictObject({
    enabled: z.boolean().default(true),
    ttl_seconds: cachePolicy.shape.ttlSeconds.default(DEFAULT_CACHE_TTL_SECONDS),
  });
}

function routeTo(provider: string, match: string): ModelRoute {
  return { match, targets: [{ provider }] };
}
