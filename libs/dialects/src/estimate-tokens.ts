/** Rough, and said to be: it stands in for a count that no provider has given. */
const CHARACTERS_PER_TOKEN = 4;

/** Tokens of that many characters, or bytes, of text. */
export function estimateTokens(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}
