/**
 * How a single request steers the simulator: words that begin with `sim:` in the name of the model
 * or in the text of the last user turn, each a list of directives parted by `;`.
 */
const TOKENS_MAX = 100_000;
const DURATION_MS_MAX = 600_000;

/** One row for each directive; also what `--help` prints. */
export const directiveTable = `\
directive                  effect
sim:status=429             the vendor's error with that status
sim:status=500x2-then-ok   the same, for the first two calls of this very text and model
sim:retry-after=2          seconds in that error's retry headers (Google: in its details)
sim:html                   that error as the HTML page of a proxy
sim:delay=500ms            waits before the first byte
sim:drip=100ms             waits before each event of a stream
sim:rate=50                tokens a second, instead of a drip
sim:hang=first-byte        accepts the request and never answers
sim:hang=headers           sends the headers and nothing else
sim:hang=mid-stream        sends half of the answer and nothing else
sim:cut=first-byte         closes the connection without an answer
sim:cut=after:3            closes the connection after three events (or half of a plain body)
sim:stream-error           the vendor's error event in the middle of a stream
sim:malformed              broken JSON in the middle of the answer
sim:slice=5                writes pieces of five bytes, so that characters and events are split
sim:tokens=200             an answer of 200 words
sim:nonce=abc              ends the answer with [abc]
sim:mark=call              puts ~ and the number of the call behind every piece of the answer
sim:finish=length          that finish reason: stop, length or content_filter
sim:cached=10              that many of the input tokens reported as cached
sim:reasoning=20           that many tokens of reasoning added to the output
sim:usage=none             reports no usage
sim:show=request           answers with the request as the simulator understood it, as JSON
Several: sim:status=429;retry-after=2. A directive that is unknown or wrong gives 400.`;

export interface StatusDirective {
  readonly status: number;
  /** Calls that fail before the first that succeeds; undefined: all of them. */
  readonly times: number | undefined;
}

export interface Directives {
  readonly status?: StatusDirective;
  readonly retryAfterSeconds?: number;
  readonly html?: boolean;
  readonly delayMs?: number;
  readonly dripMs?: number;
  readonly hang?: 'first-byte' | 'headers' | 'mid-stream';
  /** Events before the cut, or `first-byte`. */
  readonly cut?: 'first-byte' | number;
  readonly streamError?: boolean;
  readonly malformed?: boolean;
  readonly sliceBytes?: number;
  readonly tokens?: number;
  readonly nonce?: string;
  readonly markCall?: boolean;
  readonly finish?: 'stop' | 'length' | 'content_filter';
  readonly cachedTokens?: number;
  readonly reasoningTokens?: number;
  readonly withoutUsage?: boolean;
  readonly showRequest?: boolean;
}

/** A directive that the table does not have. */
export class DirectiveError extends Error {
  override readonly name = 'DirectiveError';
}

function wrong(name: string, value: string): never {
  throw new DirectiveError(`simulator: "${name}=${value}" is no directive; see --help`);
}

function wholeNumber(name: string, value: string, max: number): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number > max) wrong(name, value);
  return number;
}

function duration(name: string, value: string): number {
  return wholeNumber(name, value.replace(/ms$/, ''), DURATION_MS_MAX);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  return allowed.find((candidate) => candidate === value) ?? wrong(name, value);
}

function statusDirective(value: string): StatusDirective {
  const match = /^([45]\d\d)(?:x(\d{1,4})-then-ok)?$/.exec(value);
  if (match === null) wrong('status', value);
  return { status: Number(match[1]), times: match[2] === undefined ? undefined : Number(match[2]) };
}

function cutDirective(value: string): 'first-byte' | number {
  if (value === 'first-byte') return value;
  if (!value.startsWith('after:')) wrong('cut', value);
  return wholeNumber('cut', value.slice('after:'.length), TOKENS_MAX);
}

const readers: Readonly<Record<string, (value: string) => Directives>> = {
  status: (value) => ({ status: statusDirective(value) }),
  'retry-after': (value) => ({ retryAfterSeconds: wholeNumber('retry-after', value, 86_400) }),
  html: () => ({ html: true }),
  delay: (value) => ({ delayMs: duration('delay', value) }),
  drip: (value) => ({ dripMs: duration('drip', value) }),
  rate: (value) => ({ dripMs: 1000 / Math.max(1, wholeNumber('rate', value, TOKENS_MAX)) }),
  hang: (value) => ({ hang: oneOf('hang', value, ['first-byte', 'headers', 'mid-stream']) }),
  cut: (value) => ({ cut: cutDirective(value) }),
  'stream-error': () => ({ streamError: true }),
  malformed: () => ({ malformed: true }),
  slice: (value) => ({ sliceBytes: Math.max(1, wholeNumber('slice', value, TOKENS_MAX)) }),
  tokens: (value) => ({ tokens: wholeNumber('tokens', value, TOKENS_MAX) }),
  nonce: (value) => ({ nonce: value }),
  mark: (value) => ({ markCall: oneOf('mark', value, ['call']) === 'call' }),
  finish: (value) => ({ finish: oneOf('finish', value, ['stop', 'length', 'content_filter']) }),
  cached: (value) => ({ cachedTokens: wholeNumber('cached', value, TOKENS_MAX) }),
  reasoning: (value) => ({ reasoningTokens: wholeNumber('reasoning', value, TOKENS_MAX) }),
  usage: (value) => ({ withoutUsage: oneOf('usage', value, ['none']) === 'none' }),
  show: (value) => ({ showRequest: oneOf('show', value, ['request']) === 'request' }),
};

const WORD = /sim:\S+/g;

/** Reads the directives of the texts in turn; a later one wins. Throws `DirectiveError`. */
export function parseDirectives(...texts: readonly string[]): Directives {
  let directives: Directives = {};
  for (const word of texts.flatMap((text) => text.match(WORD) ?? [])) {
    for (const directive of word.slice('sim:'.length).split(';')) {
      const [name = '', value = ''] = directive.split(/=(.*)/s);
      const read = readers[name] ?? wrong(name, value);
      directives = { ...directives, ...read(value) };
    }
  }
  return directives;
}

/** The text without its directives. */
export function withoutDirectives(text: string): string {
  return text.replace(WORD, '').replace(/\s+/g, ' ').trim();
}
