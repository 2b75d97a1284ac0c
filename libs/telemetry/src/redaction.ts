/**
 * What may leave the process in a log line. Three nets, each for what the one before lets through:
 *
 * 1. `redactFields` walks the fields of a line: values under secret names and bodies are replaced,
 *    errors become name, message, code and stack, everything is bounded.
 * 2. `scrubText` runs over the finished line and replaces what looks like a credential.
 * 3. Values given to `neverLog` (the secrets this process was started with) are replaced wherever
 *    they appear, whatever they look like.
 */

const REDACTED = '[redacted]';
const OMITTED = '[omitted]';

const DEPTH_MAX = 5;
const ARRAY_ITEMS_MAX = 20;
const FIELDS_MAX = 50;
const TEXT_LENGTH_MAX = 4096;
const CAUSE_DEPTH_MAX = 3;

/** Shorter values would also be found inside ordinary words. */
const PROTECTED_LENGTH_MIN = 6;
const PROTECTED_VALUES_MAX = 256;

/** Compared in lower case without `-` and `_`, so that `x-api-key` and `apiKey` are both met. */
const SECRET_NAMES = new Set([
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'apikey',
  'xapikey',
  'xgoogapikey',
  'password',
  'passwd',
  'secret',
  'clientsecret',
  'token',
  'accesstoken',
  'refreshtoken',
  'credential',
  'credentials',
  'privatekey',
  'pepper',
  'keypepper',
]);

/** Places where prompts, answers and whole header blocks live. */
const OMITTED_NAMES = new Set([
  'headers',
  'rawheaders',
  'trailers',
  'body',
  'rawbody',
  'payload',
  'prompt',
  'messages',
  'contents',
  'content',
  'completion',
  'choices',
  'candidates',
]);

const ASSIGNMENT_NAME =
  '(?:api[-_]?key|authorization|cookie|password|passwd|secret|access[-_]?token)';
/** A field of the line itself must hold a text, or replacing its value would break the JSON. */
const ASSIGNMENT = String.raw`(?:":"|(?:\\"|')?\s*[:=]\s*(?:\\"|')?)`;
const ASSIGNED_SECRET = new RegExp(
  String.raw`(${ASSIGNMENT_NAME}${ASSIGNMENT})[^\s"'\\,;&[{}\]]{3,}`,
  'gi',
);

const SECRET_PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer)(?:\s+|%20)[A-Za-z0-9._~+/=%-]{6,}/gi, `$1 ${REDACTED}`],
  [/\b([Bb]asic)\s+(?=[a-z]*[A-Z0-9+/=])[A-Za-z0-9+/=]{8,}/g, `$1 ${REDACTED}`],
  // OpenAI's and Anthropic's keys, Google's API keys and OAuth tokens.
  [/\b(sk-|AIza|ya29\.)[A-Za-z0-9_.-]{8,}/g, `$1${REDACTED}`],
  // This gateway's own keys; the id in front of the secret alone is 12 characters and no secret.
  [/\bgw_[A-Za-z0-9_-]{14,}/g, `gw_${REDACTED}`],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, REDACTED],
  // The user information of a URL, and credentials in its query.
  [/(:\/\/)[^\s/?#"'@\\]+@/g, `$1${REDACTED}@`],
  [/([?&](?:key|api[-_]?key|token|access_token|sig|signature)=)[^&\s"'\\#]+/gi, `$1${REDACTED}`],
  // `x-api-key: …` and `password=…` inside a text.
  [ASSIGNED_SECRET, `$1${REDACTED}`],
];

const protectedValues = new Set<string>();
let protectedPattern: RegExp | undefined;

/**
 * Replaces `value` in every later log line, also where it is URL-encoded or escaped in JSON.
 * Values under 6 characters are not taken, and no more than 256 are kept.
 */
export function neverLog(value: string): void {
  if (value.length < PROTECTED_LENGTH_MIN || protectedValues.size >= PROTECTED_VALUES_MAX) return;
  protectedValues.add(value);
  const forms = new Set<string>();
  for (const secret of protectedValues) {
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    forms.add(encodeURIComponent(secret));
  }
  // Longest first, so that a secret that begins with another one is replaced whole.
  const alternatives = [...forms].sort((a, b) => b.length - a.length).map(escapePattern);
  protectedPattern = new RegExp(alternatives.join('|'), 'g');
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Replaces what looks like a credential, and the values given to `neverLog`. */
export function scrubText(text: string): string {
  let scrubbed = protectedPattern ? text.replace(protectedPattern, REDACTED) : text;
  for (const [pattern, replacement] of SECRET_PATTERNS) {
    scrubbed = scrubbed.replace(pattern, replacement);
  }
  return scrubbed;
}

/** A copy of a line's fields that holds no headers, bodies or values under secret names. */
export function redactFields(fields: Record<string, unknown>): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(object: object, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  let count = 0;
  for (const [name, value] of Object.entries(object)) {
    if (++count > FIELDS_MAX) break;
    const plainName = name.toLowerCase().replaceAll(/[-_]/g, '');
    if (SECRET_NAMES.has(plainName)) result[name] = REDACTED;
    else if (OMITTED_NAMES.has(plainName)) result[name] = OMITTED;
    else result[name] = redactValue(value, depth + 1);
  }
  return result;
}

function redactValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return shorten(value);
    case 'bigint':
      return value.toString();
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'object':
      return value === null ? null : redactStructure(value, depth);
    default:
      return OMITTED;
  }
}

function redactStructure(value: object, depth: number): unknown {
  if (value instanceof Error) return describeError(value, 0);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return OMITTED;
  if (Array.isArray(value)) {
    return value.slice(0, ARRAY_ITEMS_MAX).map((item) => redactValue(item, depth + 1));
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return redactValue(value.toJSON(), depth + 1);
  }
  return redactObject(value, depth);
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  const described: Record<string, unknown> = {
    name: error.name,
    message: shorten(error.message),
  };
  if ('code' in error && ['string', 'number'].includes(typeof error.code)) {
    described.code = error.code;
  }
  if (error.stack !== undefined) described.stack = shorten(error.stack);
  if (error.cause instanceof Error && depth < CAUSE_DEPTH_MAX) {
    described.cause = describeError(error.cause, depth + 1);
  }
  if (error instanceof AggregateError && depth < CAUSE_DEPTH_MAX) {
    described.errors = error.errors
      .slice(0, ARRAY_ITEMS_MAX)
      .map((inner) => (inner instanceof Error ? describeError(inner, depth + 1) : OMITTED));
  }
  return described;
}

function shorten(text: string): string {
  if (text.length <= TEXT_LENGTH_MAX) return text;
  return `${text.slice(0, TEXT_LENGTH_MAX)}… ${text.length - TEXT_LENGTH_MAX} more characters`;
}
