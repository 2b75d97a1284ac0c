/** Characters of a provider's message that are shown. */
export const MESSAGE_CHARACTERS_MAX = 500;

const SECRETS: readonly RegExp[] = [
  /\b(?:bearer|basic)\s+[\w.~+/=-]{6,}/gi,
  // The vendors' prefixes of keys, organisations and projects, masked keys included.
  /\b(?:sk|pk|rk|gsk|xai|hf|pplx|or|csk|org|proj|gw|r8)[-_][\w*.-]{4,}/gi,
  /\bAIza[\w-]{8,}/g,
  /\bya29\.[\w.-]+/g,
  /\beyJ[\w-]{8,}\.[\w.-]+/g,
  /([?&](?:key|api[-_]?key|token|access_token)=)[^&\s"']+/gi,
  /(api[ _-]?key(?: provided)?\s*[:=]\s*)\S+/gi,
  /\S*\*{3,}\S*/g,
  // Anything that long without a space, with digits and letters, may be one too.
  /(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])[\w+/=-]{40,}/gi,
];

/** A provider's words in one bounded line, without anything that looks like a credential. */
export function safeMessage(text: string): string {
  let message = text;
  for (const secret of SECRETS) {
    message = message.replace(secret, (_match, kept: unknown) =>
      typeof kept === 'string' ? `${kept}[removed]` : '[removed]',
    );
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  message = message.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\s]+/g, ' ').trim();
  message = message.toWellFormed();
  return message.length <= MESSAGE_CHARACTERS_MAX
    ? message
    : `${message.slice(0, MESSAGE_CHARACTERS_MAX - 1)}…`;
}
