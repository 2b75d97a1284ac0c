import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cacheKey } from './cache-key.ts';

const base = {
  model: 'gpt-4o',
  temperature: 0,
  stream: false,
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'café' },
  ],
  tools: [{ type: 'function', function: { name: 'f', parameters: { a: 1, b: null } } }],
};

const TARGETS = [{ provider: 'openai', model: 'gpt-4o' }];

function keyOf(
  body: object | string,
  tenant = 'acme',
  endpoint = '/v1/chat/completions',
  targets = TARGETS,
) {
  const value = typeof body === 'string' ? JSON.parse(body) : body;
  return cacheKey({ tenant, endpoint, targets, body: value });
}

/** JSON without the numbers that have no key, and without fields that do not count. */
const json = fc
  .jsonValue({ noUnicodeString: false, maxDepth: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const request = fc.dictionary(
  fc.string().map((name) => `x-${name}`),
  json,
  { maxKeys: 6 },
);

/** The same value with the members of its objects in reversed order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).reverse();
  return Object.fromEntries(members.map(([name, member]) => [name, reversed(member)]));
}

describe('cacheKey', () => {
  test('is a SHA-256 in hex', () => {
    expect(keyOf(base)).toMatch(/^[0-9a-f]{64}$/);
  });

  test('differs when the name of the model leads elsewhere', () => {
    const elsewhere = [{ provider: 'anthropic', model: 'claude' }];
    expect(keyOf(base, 'acme', '/v1/chat/completions', elsewhere)).not.toBe(keyOf(base));
  });

  test('is the same for members in another order, at any depth', () => {
    expect(keyOf(reversed(base) as object)).toBe(keyOf(base));
    fc.assert(
      fc.property(request, (body) => {
        expect(keyOf(reversed(body) as object)).toBe(keyOf(body));
      }),
    );
  });

  test('is the same for another spelling of the same JSON', () => {
    const plain = '{"model":"m","temperature":1,"text":"é/"}';
    const spelled = '{ "text" : "\\u00e9\\/",\n"temperature" : 1.0, "mod\\u0065l":"m" }';
    expect(keyOf(spelled)).toBe(keyOf(plain));
    expect(keyOf('{"temperature":1e0,"model":"m","text":"é/"}')).toBe(keyOf(plain));
  });

  test('differs exactly when the requests differ', () => {
    fc.assert(
      fc.property(request, request, (left, right) => {
        const same = JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
        const [leftKey, rightKey] = [keyOf(left), keyOf(right)];
        if (leftKey !== undefined && rightKey !== undefined) {
          expect(leftKey === rightKey).toBe(same);
        }
      }),
    );
  });

  const changes: [string, object][] = [
    ['the model', { ...base, model: 'gpt-4o-mini' }],
    ['the temperature', { ...base, temperature: 0.1 }],
    ['streaming', { ...base, stream: true }],
    ['an absent stream', { ...base, stream: undefined }],
    ['stream options', { ...base, stream_options: { include_usage: true } }],
    ['a field that is null instead of absent', { ...base, seed: null }],
    ['a seed', { ...base, seed: 1 }],
    ['a number as text', { ...base, temperature: '0' }],
    ['an unknown field', { ...base, anything: 1 }],
    ['the order of messages', { ...base, messages: base.messages.toReversed() }],
    ['a message more', { ...base, messages: [...base.messages, base.messages[1]] }],
    ['a field inside that would not count outside', { ...base, tools: [{ user: 'a' }] }],
    ['a decomposed accent', { ...base, messages: [{ role: 'user', content: 'cafe\u0301' }] }],
  ];
  test('differs for each change that could change the answer', () => {
    const keys = [base, ...changes.map(([, body]) => JSON.parse(JSON.stringify(body)))].map(
      (body) => keyOf(body),
    );
    expect(new Set(keys).size).toBe(changes.length + 1);
  });

  test.for([
    'user',
    'metadata',
    'store',
    'service_tier',
    'safety_identifier',
    'prompt_cache_key',
    'prompt_cache_retention',
  ])('does not count %s', (name) => {
    expect(keyOf({ ...base, [name]: 'anything' })).toBe(keyOf(base));
    expect(keyOf({ ...base, [name]: 2 ** 60 })).toBe(keyOf(base));
  });

  test('never joins tenants or endpoints, whatever they and the request hold', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '[', ']', '\\', ':') });
    const parts = fc.tuple(text, text, request);
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        fc.pre(left[0] !== right[0] || left[1] !== right[1]);
        const leftKey = keyOf(left[2], left[0], left[1]);
        fc.pre(leftKey !== undefined);
        expect(leftKey).not.toBe(keyOf(right[2], right[0], right[1]));
        expect(leftKey).not.toBe(keyOf(left[2], right[0], right[1]));
      }),
    );
  });

  test('tells a member named __proto__ from none, and from another', () => {
    const keys = ['{}', '{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}', '{"a":1}'].map((body) =>
      keyOf(body),
    );
    expect(new Set(keys).size).toBe(4);
  });

  test('tells a lone surrogate from the replacement character', () => {
    expect(keyOf('{"text":"\\ud800"}')).not.toBe(keyOf('{"text":"\ufffd"}'));
  });

  test('takes whole numbers up to 2^53 - 1 and has no key for one past it', () => {
    expect(keyOf('{"seed":9007199254740991}')).toBeDefined();
    expect(keyOf('{"seed":9007199254740992}')).toBeUndefined();
    expect(keyOf('{"deep":[{"seed":-9007199254740993}]}')).toBeUndefined();
    expect(keyOf('{"seed":1e999}')).toBeUndefined();
    expect(keyOf('{"seed":1.5}')).toBeDefined();
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  return members.toSorted(([left], [right]) => (left < right ? -1 : 1));
}
