/**
 * The rules of the code that a machine can check. A failure names the file and says what to do instead;
 * an exception is listed here with its reason, or it is none.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '@gateway/testing';
import { expect, test } from 'vitest';
import {
  packageOf,
  projectOf,
  resolveImport,
  type SourceFile,
  sourceFiles,
  trackedFiles,
} from './source-files.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

const files = sourceFiles();
const isTest = ({ path }: SourceFile) =>
  /\.(test|bench)\.ts$|\/tests\/|vitest\.config\.ts$/.test(path);
const products = files.filter((file) => !isTest(file) && !file.path.startsWith('tests/'));

/** What each project may import of the others. Services meet in the libs, never directly. */
const ALLOWED: Record<string, readonly string[]> = {
  'libs/protocol': [],
  'libs/telemetry': [],
  'libs/dialects': ['libs/protocol'],
  'libs/runtime': ['libs/protocol', 'libs/telemetry'],
  'libs/bus': ['libs/protocol', 'libs/telemetry', 'libs/runtime'],
  'libs/providers': ['libs/protocol', 'libs/telemetry', 'libs/dialects', 'libs/runtime'],
  'libs/testing': ['libs/protocol'],
  'services/ingress': serviceMayUse('libs/dialects'),
  'services/rate-limiter': serviceMayUse(),
  'services/cache': serviceMayUse(),
  'services/provider-worker': serviceMayUse('libs/dialects', 'libs/providers'),
  'services/audit-writer': serviceMayUse(),
  'services/all-in-one': serviceMayUse(
    'services/ingress',
    'services/rate-limiter',
    'services/cache',
    'services/provider-worker',
    'services/audit-writer',
  ),
  'infra/provision': ['libs/bus', 'libs/runtime'],
  'infra/stack': ['infra/npm', 'libs/bus', 'libs/protocol', 'libs/runtime', 'libs/testing'],
};

function serviceMayUse(...more: string[]): readonly string[] {
  return ['libs/protocol', 'libs/bus', 'libs/runtime', 'libs/telemetry', ...more];
}

test('imports follow the directions of the architecture', () => {
  const wrong = products.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const target = resolveImport(file.path, specifier);
      const from = projectOf(file.path);
      const to = target === undefined ? from : projectOf(target);
      const isAllowed = to === from || ALLOWED[from]?.includes(to);
      return isAllowed ? [] : [`${file.path}:${line} imports ${to}: meet in libs/protocol instead`];
    }),
  );
  expect(wrong).toEqual([]);
});

/** A third-party package is known to its owners only, so it can be exchanged in one place. */
const OWNERS: readonly (readonly [pattern: RegExp, owners: readonly string[]])[] = [
  [/^@nats-io\//, ['libs/bus']],
  [/^@?fastify/, ['services/ingress']],
  [/^yaml$/, ['services/ingress']],
  [/^ioredis$/, ['services/rate-limiter', 'services/cache']],
  [/^(pg|@electric-sql\/pglite|@pydantic\/genai-prices)$/, ['services/audit-writer']],
  [/^undici$/, ['libs/providers']],
  [/^pino/, ['libs/telemetry']],
  [/^@opentelemetry\/(?!api$)/, ['libs/telemetry']],
  [/^(zod|@opentelemetry\/api)$/, Object.keys(ALLOWED)],
];

test('a third-party package is imported by its owner only', () => {
  const wrong = products.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      if (/^(\.|node:|@gateway\/)/.test(specifier)) return [];
      const owners = OWNERS.find(([pattern]) => pattern.test(packageOf(specifier)))?.[1];
      return owners?.includes(projectOf(file.path))
        ? []
        : [`${file.path}:${line} imports ${specifier}: use what its owner offers`];
    }),
  );
  expect(wrong).toEqual([]);
});

test('a project declares the packages that it imports, and no others', () => {
  const wrong = Object.keys(ALLOWED).flatMap((project) => {
    const manifest = JSON.parse(read(`${project}/package.json`));
    const declared = new Set(Object.keys(manifest.dependencies ?? {}));
    const imported = new Set(
      products
        .filter((file) => projectOf(file.path) === project)
        .flatMap((file) => file.imports.map(({ specifier }) => specifier))
        .filter((specifier) => !/^(\.|node:)/.test(specifier))
        .map(packageOf),
    );
    return [
      ...[...imported]
        .filter((name) => !declared.has(name))
        .map((name) => `${project} lacks ${name}`),
      ...[...declared]
        .filter((name) => !imported.has(name))
        .map((name) => `${project} has unused ${name}`),
    ];
  });
  expect(wrong).toEqual([]);
});

test(`a file has at most ${FILE_LINES_MAX} lines`, () => {
  const wrong = files
    .filter(({ lines }) => lines.length > FILE_LINES_MAX + 1)
    .map(({ path, lines }) => `${path} has ${lines.length} lines: give its second idea a file`);
  expect(wrong).toEqual([]);
});

test(`the linter refuses functions of more than ${FUNCTION_LINES_MAX} lines`, () => {
  const { rules } = JSON.parse(read('biome.json')).linter;
  expect(rules.complexity.noExcessiveLinesPerFunction).toMatchObject({
    level: 'error',
    options: { maxLines: FUNCTION_LINES_MAX },
  });
});

/** Code that a rule forbids elsewhere, and the files that may have it, with the reason. */
const RESTRICTED: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly allowed: RegExp;
  readonly instead: string;
}[] = [
  {
    what: 'subjects, streams and buckets',
    pattern: /gateway\.v\d|GATEWAY_EVENTS|GATEWAY_QUARANTINE|'gateway-(keys|configuration)'/,
    allowed: /^libs\/protocol\//,
    instead: 'take the name from @gateway/protocol',
  },
  {
    what: 'the environment',
    pattern: /process\.env/,
    // run-service hands the environment to config.ts; the OpenTelemetry SDK reads OTEL_* itself, and
    // tracing.ts looks whether it has cause to; main.ts of a tool hands it to its config.ts.
    allowed:
      /\/config\.ts$|^libs\/runtime\/src\/run-service\.ts$|^libs\/telemetry\/src\/tracing\.ts$|^infra\/[a-z]+\/src\/main\.ts$/,
    instead: 'read it in config.ts and pass the setting',
  },
  {
    what: 'process.exit',
    pattern: /process\.exit\(/,
    allowed: /^libs\/runtime\/src\/run-service\.ts$/,
    instead: 'let the process end, or set process.exitCode',
  },
  {
    what: 'console',
    pattern: /\bconsole\./,
    allowed: /^$/,
    instead: 'use the logger, or process.stdout in a command',
  },
  {
    what: 'export * and default exports',
    pattern: /^export (\*|default)/m,
    allowed: /vitest\.config\.ts$/,
    instead: 'export by name',
  },
  {
    what: 'evaluated code',
    pattern: /\beval\(|new Function\(|from 'node:(vm|repl)'/,
    allowed: /^$/,
    instead: 'write it down',
  },
  {
    what: 'processes',
    pattern: /from 'node:child_process'/,
    allowed: /^(libs\/testing\/|infra\/stack\/|services\/audit-writer\/src\/pglite\.ts$)/,
    instead: 'a service starts no process, but to make the embedded database',
  },
];

test.each(RESTRICTED)('$what stand where they belong', ({ pattern, allowed, instead }) => {
  const wrong = products
    .filter(({ path }) => !allowed.test(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1}: ${instead}`] : [],
      ),
    );
  expect(wrong).toEqual([]);
});

test('no file has a name that says nothing', () => {
  const empty =
    /(^|\/)(utils?|common|shared|helpers?|misc|core|constants|types|interfaces?)(\.|\/)/;
  expect(files.map(({ path }) => path).filter((path) => empty.test(path))).toEqual([]);
});

test('index.ts stands at the root of a project only', () => {
  const wrong = files
    .map(({ path }) => path)
    .filter((path) => path.endsWith('/index.ts'))
    .filter((path) => !/^(libs|services|infra)\/[a-z-]+\/src\/index\.ts$/.test(path));
  expect(wrong).toEqual([]);
});

test('every file is reachable from a start file, a package root or a test', () => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const isRoot = (file: SourceFile) =>
    /\/(main|[a-z-]+-main|index)\.ts$/.test(file.path) ||
    /\.(test|bench|config)\.ts$/.test(file.path);
  const waiting = files.filter(isRoot).map(({ path }) => path);
  const reached = new Set(waiting);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      const target = resolveImport(path, specifier);
      if (target === undefined || reached.has(target)) continue;
      reached.add(target);
      waiting.push(target);
    }
  }
  const dead = files.map(({ path }) => path).filter((path) => !reached.has(path));
  expect(dead).toEqual([]);
});

test('no imports go in a circle', () => {
  const byPath = new Map(products.map((file) => [file.path, file]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path) || trail.includes(path)) return;
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      const target = resolveImport(path, specifier);
      if (target !== undefined) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of products) visit(path, []);
  expect(circles).toEqual([]);
});

test('no text is left over from work in progress', () => {
  const leftover = /\b(TODO|FIXME|XXX|HACK)\b|\.only\(|\.skip\(/;
  const wrong = files
    .filter(({ path }) => path !== 'tests/tidy/tidy.test.ts')
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => (leftover.test(line) ? [`${path}:${index + 1}`] : [])),
    );
  expect(wrong).toEqual([]);
});

test('no tracked file is large or holds a path of one machine', () => {
  const wrong = trackedFiles().flatMap((path) => {
    const bytes = readFileSync(join(repositoryRoot, path));
    if (bytes.length > 1024 * 1024) return [`${path} is larger than a mebibyte`];
    const isOwn = path === 'tests/tidy/tidy.test.ts';
    return !isOwn && /\/(home|Users|work|root)\/[a-z]/.test(bytes.toString('latin1'))
      ? [`${path} holds a path of one machine`]
      : [];
  });
  expect(wrong).toEqual([]);
});

function read(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}
