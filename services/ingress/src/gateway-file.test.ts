import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_TIMEOUTS } from '@gateway/protocol';
import { SettingsError } from '@gateway/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { readGatewayFile } from './gateway-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'gateway-file-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const EXAMPLE = '../../../config/gateway.example.yaml';

function written(text: string | Buffer): string {
  files += 1;
  const path = join(directory, `${files}.yaml`);
  writeFileSync(path, text);
  return path;
}

function read(text: string | Buffer) {
  return readGatewayFile(written(text), undefined);
}

/** The problems of a file, each as `line: message`. */
function problemsOf(text: string | Buffer): readonly string[] {
  const path = written(text);
  try {
    readGatewayFile(path, undefined);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map((problem) => problem.replace(`${path}:`, ''));
  }
  return [];
}

describe('readGatewayFile', () => {
  test('has vendors, their models and a demonstration without a file', () => {
    const { providers, models, timeouts, cache, keyLimit } = readGatewayFile(undefined, undefined);
    expect(providers.map(({ name }) => name)).toEqual(['openai', 'anthropic', 'google', 'demo']);
    expect(models.map(({ match }) => match)).toEqual(
      expect.arrayContaining(['gpt-*', 'text-embedding-*', 'claude-*', 'gemini-*', 'demo']),
    );
    expect(timeouts).toEqual(DEFAULT_TIMEOUTS);
    expect(cache).toEqual({ enabled: true, ttlSeconds: 3600 });
    expect(keyLimit).toBeUndefined();
  });

  test('takes an empty file for no file', () => {
    expect(read('')).toEqual(readGatewayFile(undefined, undefined));
    expect(read('# nothing yet\n')).toEqual(readGatewayFile(undefined, undefined));
  });

  test('merges providers and puts routes before the built-in ones', () => {
    const { providers, models } = read(`
providers:
  openai: {base_url: 'https://proxy.example/v1', api_key: {environment: MY_KEY}}
  local: {kind: openai-compatible, base_url: 'http://127.0.0.1:11434/v1'}
models:
  - match: gpt-*
    targets: [{provider: local, model: llama}, {provider: openai}]
    timeouts: {first_byte_seconds: 2.5}
`);
    expect(providers).toContainEqual({
      name: 'openai',
      kind: 'openai',
      baseUrl: 'https://proxy.example/v1',
      credential: { environment: 'MY_KEY' },
    });
    expect(providers.map(({ name }) => name)).toContain('local');
    expect(models[0]).toEqual({
      match: 'gpt-*',
      targets: [{ provider: 'local', model: 'llama' }, { provider: 'openai' }],
      timeouts: { firstByteMs: 2_500 },
    });
  });

  test('takes the fields of each kind of provider', () => {
    const { providers } = read(`
providers:
  azure:
    kind: azure
    base_url: https://mine.openai.azure.com/openai/deployments/gpt-5
    api_key: {environment: AZURE_KEY}
    responses: false
    query: {api-version: '2024-10-21'}
  vertex:
    kind: vertex
    project: example.com:my-project
    location: europe-west4
    api_key: {file: /run/secrets/vertex.json}
  local: {kind: openai-compatible, base_url: 'http://127.0.0.1:1/v1', responses: true}
`);
    expect(providers.slice(-3)).toEqual([
      {
        name: 'azure',
        kind: 'azure',
        baseUrl: 'https://mine.openai.azure.com/openai/deployments/gpt-5',
        credential: { environment: 'AZURE_KEY' },
        responses: false,
        query: { 'api-version': '2024-10-21' },
      },
      {
        name: 'vertex',
        kind: 'vertex',
        credential: { file: '/run/secrets/vertex.json' },
        project: 'example.com:my-project',
        location: 'europe-west4',
      },
      {
        name: 'local',
        kind: 'openai-compatible',
        baseUrl: 'http://127.0.0.1:1/v1',
        responses: true,
      },
    ]);
  });

  test('takes the example as it is, and with all that is commented out', () => {
    const text = readFileSync(join(import.meta.dirname, EXAMPLE), 'utf8');
    expect(read(text)).toEqual(readGatewayFile(undefined, undefined));
    const settings = /^# (?=[a-z]+:$| {2,}\S)/gm;
    const { providers, models } = read(text.replaceAll(settings, ''));
    expect(providers.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['openai-compatible', 'azure', 'vertex']),
    );
    expect(models[0]?.match).toBe('fast');
  });

  test('lets the limit of the file outrank that of the environment', () => {
    const environment = { requests: 1, windowSeconds: 1 };
    const path = written('limits: {requests: 9, window_seconds: 8}');
    expect(readGatewayFile(path, environment).keyLimit).toEqual({ requests: 9, windowSeconds: 8 });
    expect(readGatewayFile(written(''), environment).keyLimit).toEqual(environment);
  });

  test('takes a limit of concurrency by itself, and leaves the other to the environment', () => {
    const environment = { requests: 1, windowSeconds: 1 };
    const path = written('limits: {concurrency: 5, limiter_unavailable: admit}');
    expect(readGatewayFile(path, environment)).toMatchObject({
      keyLimit: environment,
      keyConcurrency: 5,
      limiterUnavailable: 'admit',
    });
    const { keyConcurrency, limiterUnavailable } = read('');
    expect([keyConcurrency, limiterUnavailable]).toEqual([undefined, undefined]);
  });

  test('takes what becomes of calls whose client left', () => {
    const targets = 'targets: [{provider: openai}]';
    const { models } = read(`models:
  - {match: a, ${targets}, client_leaves: finish}
  - {match: b, ${targets}, client_leaves: cancel}
  - {match: c, ${targets}}`);
    expect(models.slice(0, 3).map(({ clientLeaves }) => clientLeaves)).toEqual([
      'finish',
      'cancel',
      undefined,
    ]);
  });

  test('has no demonstration where it is switched off', () => {
    const { providers, models } = read('demo: false');
    expect([
      ...providers.map(({ name }) => name),
      ...models.map(({ match }) => match),
    ]).not.toContain('demo');
  });

  test('has one revision for one content, whatever the spelling, and another for another', () => {
    const { revision } = read('cache: {enabled: true, ttl_seconds: 60}');
    expect(read('# said otherwise\ncache:\n  ttl_seconds: 60\n').revision).toBe(revision);
    expect(read('cache: {ttl_seconds: 61}').revision).not.toBe(revision);
    expect(revision).toMatch(/^[0-9a-f]{16}$/);
  });

  test('takes the shortest and the longest timeouts', () => {
    const { timeouts } = read(
      'timeouts: {connect_seconds: 60, total_seconds: 3600, idle_seconds: 0.001}',
    );
    expect(timeouts).toMatchObject({ connectMs: 60_000, totalMs: 3_600_000, idleMs: 1 });
  });

  test('takes 60 providers and 1,000 models', () => {
    const providers = many(60, (index) => `  p${index}: {kind: demo}`);
    const models = many(1_000, (index) => `  - {match: m${index}, targets: [{provider: demo}]}`);
    expect(read(`providers:\n${providers}\nmodels:\n${models}`).providers).toHaveLength(64);
  });
});

describe('the problems of a file', () => {
  test.for([
    ['limits: {concurrency: 0}', '1: limits.concurrency: Too small: expected number to be >=1'],
    [
      'limits: {concurrency: 100001}',
      '1: limits.concurrency: Too big: expected number to be <=100000',
    ],
    ['limits: {requests: 5}', '1: limits: requests and window_seconds go together'],
    ['limits: {window_seconds: 5}', '1: limits: requests and window_seconds go together'],
    [
      'limits: {limiter_unavailable: maybe}',
      '1: limits.limiter_unavailable: Invalid option: expected one of "refuse"|"admit"',
    ],
    [
      'models: [{match: a, targets: [{provider: openai}], client_leaves: stay}]',
      '1: models.0.client_leaves: Invalid option: expected one of "cancel"|"finish"',
    ],
  ] as const)('name the field of %s', ([text, problem]) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test('are all told, each with its line', () => {
    expect(
      problemsOf(`providers:
  BAD: {kind: openai}
  openai:
    base_url: ftp://x
    colour: red
models:
  - match: "a b"
    targets: []
cache:
  ttl_seconds: 0
`),
    ).toEqual([
      expect.stringMatching(/^2: providers\.BAD: /),
      expect.stringMatching(/^4: providers\.openai\.base_url: /),
      expect.stringMatching(/^4: providers\.openai: .*colour/),
      expect.stringMatching(/^7: models\.0\.match: a name, or a prefix followed by \*/),
      expect.stringMatching(/^8: models\.0\.targets: /),
      expect.stringMatching(/^10: cache\.ttl_seconds: /),
    ]);
  });

  test('between its parts are all told, each with its line', () => {
    expect(
      problemsOf(`demo: false
providers:
  mine:
    api_key: {environment: A}
  bare:
    kind: openai-compatible
models:
  - match: a
    targets: [{provider: nobody}]
  - match: b
    targets:
      - provider: openai
      - provider: demo
  - match: a
    targets: [{provider: openai}]
`),
    ).toEqual([
      expect.stringMatching(/^4: provider mine needs a kind: one of openai, /),
      expect.stringMatching(/^6: provider bare needs a base_url$/),
      expect.stringMatching(/^9: model a has a target of no known provider: nobody$/),
      expect.stringMatching(/^13: model b has a target of no known provider: demo$/),
      expect.stringMatching(/^14: model a stands above already$/),
    ]);
  });

  test('of fields that a kind lacks or does not know are told, each with its line', () => {
    expect(
      problemsOf(`providers:
  clouded:
    kind: azure
  google:
    location: global
  vertex:
    kind: vertex
    project: p
    responses: true
  openai:
    query:
      a: b
    project: p
  local:
    kind: openai-compatible
    base_url: http://127.0.0.1:1/v1
    location: global
`),
    ).toEqual([
      expect.stringMatching(/^3: provider clouded needs a base_url$/),
      expect.stringMatching(/^5: provider google: location is for the kinds vertex$/),
      expect.stringMatching(/^7: provider vertex needs a location$/),
      expect.stringMatching(/^9: .* responses is for the kinds openai-compatible, azure$/),
      expect.stringMatching(/^12: .* query is for the kinds openai-compatible, azure$/),
      expect.stringMatching(/^13: .* project is for the kinds vertex$/),
      expect.stringMatching(/^17: .* location is for the kinds vertex$/),
    ]);
  });

  test('take eight parameters of a query', () => {
    const parameters = many(8, (index) => `p${index}: a,`);
    const local = `{kind: openai-compatible, base_url: 'http://x', query: {${parameters}}}`;
    expect(problemsOf(`providers:\n  local: ${local.replaceAll('\n', ' ')}`)).toEqual([]);
  });

  const single: [name: string, text: string | Buffer, problem: RegExp][] = [
    ['a syntax error', 'models:\n  - [', /^\d: /],
    ['a name twice', 'demo: true\ndemo: false', /^2: .*unique/],
    ['an unknown alias', 'demo: *nothing', /alias/i],
    ['aliases that multiply', bomb(), /alias/i],
    ['a list instead of a map', '- a', /^1: the file: /],
    ['a connect timeout past its bound', 'timeouts: {connect_seconds: 60.001}', /connect_seconds/],
    ['a timeout past its bound', 'timeouts: {total_seconds: 3600.1}', /total_seconds/],
    ['a timeout of nothing', 'timeouts: {idle_seconds: 0.0004}', /idle_seconds/],
    [
      'a password in an address',
      'providers: {openai: {base_url: "http://u:p@x"}}',
      /user name or password/,
    ],
    [
      'a query in an address',
      'providers: {openai: {base_url: "http://x/v1?api-version=1"}}',
      /base_url: .*query/,
    ],
    [
      'a key in a query',
      'providers: {a: {kind: azure, base_url: "http://x", query: {api-key: sk-123}}}',
      /query: must not hold a credential/,
    ],
    [
      'nine parameters of a query',
      `providers: {a: {kind: azure, base_url: "http://x", query: {
        a: x, b: x, c: x, d: x, e: x, f: x, g: x, h: x, i: x }}}`,
      /at most 8 parameters/,
    ],
    ['a location that leaves its host', 'providers: {v: {location: "a.b/c"}}', /v\.location/],
    ['a project that leaves its path', 'providers: {v: {project: "a/../b"}}', /v\.project/],
    ['a secret instead of where it is', 'providers: {openai: {api_key: sk-123}}', /api_key/],
    [
      '61 providers',
      `providers:\n${many(61, (index) => `  p${index}: {kind: demo}`)}`,
      /at most 60/,
    ],
    [
      '1,001 models',
      `models:\n${many(1_001, (index) => `  - {match: m${index}, targets: [{provider: demo}]}`)}`,
      /models: /,
    ],
    [
      'nine targets',
      `models: [{match: a, targets: [${'{provider: demo},'.repeat(9)}]}]`,
      /targets/,
    ],
    ['more than 1 MiB', Buffer.alloc(1024 * 1024 + 1, 0x20), /more than 1048576 bytes/],
  ];
  test.for(single)('tell of %s', ([, text, problem]) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).not.toMatch(/sk-123|u:p@/);
  });

  test('are none at 1 MiB', () => {
    expect(problemsOf(Buffer.alloc(1024 * 1024, 0x20))).toEqual([]);
  });

  test('tell of a file that is not there, or is none', () => {
    for (const path of [join(directory, 'missing.yaml'), directory]) {
      expect(() => readGatewayFile(path, undefined)).toThrow(
        /GATEWAY_CONFIG names a file that cannot be read/,
      );
    }
  });
});

function many(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join('\n');
}

function bomb(): string {
  const levels = many(9, (index) => `l${index + 1}: &l${index + 1} [${`*l${index},`.repeat(9)}]`);
  return `l0: &l0 [x]\n${levels}`;
}
