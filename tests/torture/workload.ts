/** What clients ask for: every request follows from the seed, the client and its counter alone. */
import { type Random, seededRandom } from './seeded-random.ts';

/** Short enough to stay whole in one piece of an answer of the simulator, which has 12 characters. */
export const CANARIES: Readonly<Record<Tenant, string>> = {
  alpha: 'canary-alpha',
  bravo: 'canary-bravo',
  delta: 'canary-delta',
  gamma: 'canary-gamma',
};
export const TENANTS = ['alpha', 'bravo', 'delta', 'gamma'] as const;
export type Tenant = (typeof TENANTS)[number];

export const DIALECTS = ['chat', 'messages', 'responses', 'gemini'] as const;
export type Dialect = (typeof DIALECTS)[number];

/** The last one leads to OpenAI, and to Anthropic when that fails. */
export const FALLBACK_MODEL = 'with-fallback';
const MODELS = [
  [5, 'gpt-4o-mini'],
  [3, 'claude-sonnet-4-5'],
  [2, 'gemini-2.5-flash'],
  [2, FALLBACK_MODEL],
] as const;

export interface WantedKey {
  readonly name: string;
  readonly tenant: Tenant;
  readonly requests?: { readonly amount: number; readonly windowSeconds: number };
  readonly concurrency?: number;
  /** How many clients of ten use it. */
  readonly share: number;
}

export const KEYS: readonly WantedKey[] = [
  { name: 'alpha-free', tenant: 'alpha', share: 2 },
  { name: 'alpha-limited', tenant: 'alpha', share: 1, requests: { amount: 120, windowSeconds: 5 } },
  { name: 'bravo-free', tenant: 'bravo', share: 2 },
  { name: 'bravo-narrow', tenant: 'bravo', share: 1, concurrency: 3 },
  { name: 'delta-free', tenant: 'delta', share: 2 },
  { name: 'gamma-free', tenant: 'gamma', share: 1 },
  {
    name: 'gamma-both',
    tenant: 'gamma',
    share: 1,
    requests: { amount: 60, windowSeconds: 2 },
    concurrency: 3,
  },
];

export interface PlannedRequest {
  readonly nonce: string;
  readonly kind: string;
  readonly dialect: Dialect;
  readonly model: string;
  readonly stream: boolean;
  readonly text: string;
  readonly tokensMax: number;
  /** Asked with temperature 0, so that a stored answer may be given. */
  readonly deterministic: boolean;
  readonly directive: string;
  readonly repeatedAs: string;
  /** Of how many ingresses which one is asked, from 0 to below 1. */
  readonly ingressShare: number;
  /** The client breaks off after this time. */
  readonly leavesAfterMs?: number;
}

interface Kind {
  readonly name: string;
  readonly stream?: boolean;
  readonly directive?: (random: Random) => string;
  readonly leaves?: (random: Random) => number;
  readonly words?: readonly [from: number, to: number];
}

/** More than 64 KiB, which cross the bus in pieces. */
const LARGE_WORDS = [11_000, 16_000] as const;
const SMALL_WORDS = [2, 12] as const;
const TOKENS_MAX = 60;
const REPEATED_PROMPTS = 5;

const failures = (statuses: readonly number[], suffix: string) => (random: Random) =>
  `status=${random.pick(statuses)}${suffix}`;
const drip = (random: Random) => `drip=${random.integer(2, 15)}ms`;

const KINDS: readonly (readonly [weight: number, kind: Kind])[] = [
  [58, { name: 'plain' }],
  [12, { name: 'repeated' }],
  [6, { name: 'slow stream', stream: true, directive: drip, words: [15, 45] }],
  [4, { name: 'leaves early', leaves: (random) => random.integer(0, 20) }],
  [
    4,
    {
      name: 'leaves a stream',
      stream: true,
      directive: drip,
      words: [30, 45],
      leaves: (random) => random.integer(20, 300),
    },
  ],
  [1.5, { name: 'large', words: LARGE_WORDS }],
  [3, { name: 'fails once', directive: failures([429, 500, 503, 529], 'x1-then-ok') }],
  [1.5, { name: 'fails', directive: failures([429, 500, 503, 529], '') }],
  [1, { name: 'asks to wait', directive: () => 'status=429;retry-after=1' }],
  [1, { name: 'is refused', directive: failures([400, 404], '') }],
  [2, { name: 'is late', directive: (random) => `delay=${random.integer(50, 900)}ms` }],
  [0.3, { name: 'hangs', directive: (random) => `hang=${random.pick(['first-byte', 'headers'])}` }],
  [0.3, { name: 'hangs in a stream', stream: true, directive: () => 'hang=mid-stream' }],
  [1, { name: 'is cut', directive: () => 'cut=first-byte' }],
  [1, { name: 'is cut within', directive: (random) => `cut=after:${random.integer(1, 6)}` }],
  [0.6, { name: 'breaks a stream', stream: true, directive: () => 'stream-error' }],
  [0.6, { name: 'is malformed', directive: () => 'malformed' }],
  [0.7, { name: 'has no usage', directive: () => 'usage=none' }],
];

/** The request that a client makes as its n-th. */
export function plannedRequest(
  seed: number,
  client: number,
  counter: number,
  tenant: Tenant,
): PlannedRequest {
  const random = seededRandom(seed, 'request', client, counter);
  const kind = random.weighted(KINDS);
  const nonce = `s${seed}-c${client}-n${counter}`;
  const stream = kind.stream ?? random.chance(0.5);
  const dialect = random.weighted([
    [7, 'chat'],
    [1, 'messages'],
    [1, 'responses'],
    [1, 'gemini'],
  ] as const);
  const model = random.weighted(MODELS);
  const isRepeated = kind.name === 'repeated';
  const prompt = isRepeated ? `p${random.integer(1, REPEATED_PROMPTS)}` : nonce;
  const words = random.integer(...(kind.words ?? SMALL_WORDS));
  const filler = isRepeated ? 'the same again' : wordsOf(random, words);
  const directive = kind.directive?.(random) ?? '';
  const steering = `sim:mark=call${directive === '' ? '' : `;${directive}`}`;
  return {
    nonce,
    kind: kind.name,
    dialect,
    model,
    stream,
    text: `${CANARIES[tenant]} ${prompt} ${filler} ${steering}`,
    tokensMax: TOKENS_MAX,
    deterministic: isRepeated,
    directive,
    repeatedAs: isRepeated ? `${dialect} ${model} ${stream} ${prompt}` : '',
    ingressShare: random.next(),
    ...(kind.leaves && { leavesAfterMs: kind.leaves(random) }),
  };
}

const VOCABULARY = ['river', 'stone', 'žluťoučký', 'lamp', '山', 'seven', 'naïve', 'cloud', '👋🏽'];

function wordsOf(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(VOCABULARY)).join(' ');
}
