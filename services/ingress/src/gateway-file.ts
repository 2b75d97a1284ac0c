/**
 * The optional YAML file and the configuration that results from it: the file's providers and routes
 * before the built-in ones, so that an operator can redefine both.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import {
  CLIENT_LEAVES,
  CONFIGURATION_SCHEMA,
  type Configuration,
  cachePolicy,
  concurrency,
  configuration,
  DEFAULT_TIMEOUTS,
  LIMITER_UNAVAILABLE,
  type ModelRoute,
  PROVIDER_KINDS,
  type ProviderDefinition,
  providerName,
  type RequestLimit,
  requestLimit,
  type Timeouts,
  timeouts,
} from '@gateway/protocol';
import { SettingsError } from '@gateway/runtime';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { providerEntry, toProviderDefinition, wrongInEntry } from './provider-entry.ts';

const BUILT_IN_PROVIDERS: readonly ProviderDefinition[] = [
  { name: 'openai', kind: 'openai' },
  { name: 'anthropic', kind: 'anthropic' },
  { name: 'google', kind: 'google' },
];

const DEMO_PROVIDER: ProviderDefinition = { name: 'demo', kind: 'demo' };
const DEMO_ROUTE: ModelRoute = { match: 'demo', targets: [{ provider: 'demo' }] };

const BUILT_IN_ROUTES: readonly ModelRoute[] = [
  ...['gpt-*', 'chatgpt-*', 'o1*', 'o3*', 'o4*', 'text-embedding-*'].map((match) =>
    routeTo('openai', match),
  ),
  routeTo('anthropic', 'claude-*'),
  routeTo('google', 'gemini-*'),
];

const DEFAULT_CACHE_TTL_SECONDS = 3600;
const FILE_BYTES_MAX = 1024 * 1024;

/** As many as fit the configuration beside the built-in ones. */
const PROVIDERS_MAX = 60;
const ROUTES_MAX = 1000;

/** Seconds with fractions, within the bounds that the configuration has in milliseconds. */
function durationSeconds(name: keyof Timeouts) {
  const { minValue, maxValue } = timeouts.shape[name];
  return z
    .number()
    .min((minValue ?? 0) / 1000)
    .max((maxValue ?? 0) / 1000)
    .optional();
}

const fileTimeouts = z.strictObject({
  connect_seconds: durationSeconds('connectMs'),
  first_byte_seconds: durationSeconds('firstByteMs'),
  idle_seconds: durationSeconds('idleMs'),
  total_seconds: durationSeconds('totalMs'),
});

const gatewayFile = z.strictObject({
  providers: z
    .record(providerName, providerEntry)
    .refine((providers) => Object.keys(providers).length <= PROVIDERS_MAX, {
      message: `at most ${PROVIDERS_MAX} providers`,
    })
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
        client_leaves: z.enum(CLIENT_LEAVES).optional(),
      }),
    )
    .max(ROUTES_MAX)
    .default([]),
  timeouts: fileTimeouts.default({}),
  cache: cachePolicyFile().prefault({}),
  limits: limitsFile().prefault({}),
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
  const { file, at } = path === undefined ? withoutFile() : parseGatewayFile(path, readText(path));
  const problems = problemsOf(file);
  if (problems.length > 0) {
    throw new SettingsError(problems.map((problem) => `${at(problem.path)}: ${problem.message}`));
  }
  return toConfiguration(file, keyLimit);
}

interface ReadFile {
  readonly file: GatewayFile;
  /** File and line of a place in it. */
  readonly at: (path: readonly PropertyKey[]) => string;
}

function withoutFile(): ReadFile {
  return { file: gatewayFile.parse({}), at: () => 'the built-in configuration' };
}

function readText(path: string): string {
  try {
    // A pipe or a device could hold the start up for ever.
    const { size } = statSync(path);
    if (size <= FILE_BYTES_MAX) return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    throw new SettingsError([`GATEWAY_CONFIG names a file that cannot be read${code}`]);
  }
  throw new SettingsError([`GATEWAY_CONFIG names a file of more than ${FILE_BYTES_MAX} bytes`]);
}

function parseGatewayFile(path: string, text: string): ReadFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const line = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const at = (place: readonly PropertyKey[]) => line(offsetOf(document, place));
  if (document.errors.length > 0) {
    throw new SettingsError(
      document.errors.map((error) => `${line(error.pos[0])}: ${error.message.split('\n')[0]}`),
    );
  }
  const parsed = gatewayFile.safeParse(contentOf(document, path) ?? {});
  if (parsed.success) return { file: parsed.data, at };
  throw new SettingsError(
    parsed.error.issues.map(
      (issue) => `${at(issue.path)}: ${issue.path.join('.') || 'the file'}: ${issue.message}`,
    ),
  );
}

function contentOf(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that are unknown, or that would multiply the file.
    throw new SettingsError([`${path}: ${error instanceof Error ? error.message : 'unreadable'}`]);
  }
}

/** Where the nearest node of the path stands, so that also a missing key is shown near its place. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What is wrong between the parts of a file of which each is right by itself. */
function problemsOf(file: GatewayFile): readonly Problem[] {
  const known = new Map(builtInProviders(file).map(({ name, kind }) => [name, kind]));
  const problems: Problem[] = [];
  for (const [name, entry] of Object.entries(file.providers)) {
    const kind = entry.kind ?? known.get(name);
    const path = ['providers', name];
    if (kind === undefined) {
      const message = `provider ${name} needs a kind: one of ${PROVIDER_KINDS.join(', ')}`;
      problems.push({ path, message });
      continue;
    }
    for (const { field, message } of wrongInEntry(name, kind, entry)) {
      problems.push({ path: field === undefined ? path : [...path, field], message });
    }
  }
  const names = new Set([...known.keys(), ...Object.keys(file.providers)]);
  for (const [index, { match, targets }] of file.models.entries()) {
    if (file.models.findIndex((other) => other.match === match) !== index) {
      const message = `model ${match} stands above already`;
      problems.push({ path: ['models', index, 'match'], message });
    }
    for (const [target, { provider }] of targets.entries()) {
      if (names.has(provider)) continue;
      const message = `model ${match} has a target of no known provider: ${provider}`;
      problems.push({ path: ['models', index, 'targets', target, 'provider'], message });
    }
  }
  return problems;
}

function toConfiguration(file: GatewayFile, keyLimit: RequestLimit | undefined): Configuration {
  const routes = file.models.map(
    (model): ModelRoute => ({
      match: model.match,
      targets: model.targets.map(({ provider, model: name }) => ({
        provider,
        ...(name !== undefined && { model: name }),
      })),
      ...(model.timeouts && { timeouts: toTimeouts(model.timeouts) }),
      ...(model.client_leaves && { clientLeaves: model.client_leaves }),
    }),
  );
  const { requests, window_seconds: windowSeconds, limiter_unavailable, ...limits } = file.limits;
  const fileLimit = requests && windowSeconds ? { requests, windowSeconds } : undefined;
  const limit = fileLimit ?? keyLimit;
  const content = {
    schema: CONFIGURATION_SCHEMA,
    providers: mergeProviders(file),
    models: [...routes, ...BUILT_IN_ROUTES, ...(file.demo ? [DEMO_ROUTE] : [])],
    timeouts: { ...DEFAULT_TIMEOUTS, ...toTimeouts(file.timeouts) },
    cache: { enabled: file.cache.enabled, ttlSeconds: file.cache.ttl_seconds },
    ...(limit && { keyLimit: limit }),
    ...(limits.concurrency && { keyConcurrency: limits.concurrency }),
    ...(limiter_unavailable && { limiterUnavailable: limiter_unavailable }),
  };
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return configuration.parse({ ...content, revision: digest.slice(0, 16) });
}

function builtInProviders(file: GatewayFile): readonly ProviderDefinition[] {
  return file.demo ? [...BUILT_IN_PROVIDERS, DEMO_PROVIDER] : BUILT_IN_PROVIDERS;
}

function mergeProviders(file: GatewayFile): ProviderDefinition[] {
  const merged = new Map(builtInProviders(file).map((provider) => [provider.name, provider]));
  for (const [name, entry] of Object.entries(file.providers)) {
    const kind = entry.kind ?? merged.get(name)?.kind;
    if (kind === undefined) continue;
    merged.set(name, toProviderDefinition(name, kind, entry));
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

function limitsFile() {
  return z
    .strictObject({
      requests: requestLimit.shape.requests.optional(),
      window_seconds: requestLimit.shape.windowSeconds.optional(),
      concurrency: concurrency.optional(),
      limiter_unavailable: z.enum(LIMITER_UNAVAILABLE).optional(),
    })
    .refine(
      ({ requests, window_seconds: window }) => (requests === undefined) === (window === undefined),
      {
        message: 'requests and window_seconds go together',
      },
    );
}

function routeTo(provider: string, match: string): ModelRoute {
  return { match, targets: [{ provider }] };
}
