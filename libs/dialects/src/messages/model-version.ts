/**
 * A Claude model's version as one number: 3.5 is 305, 4 is 400. Undefined for a name without one.
 */
export function claudeVersion(model: string): number | undefined {
  // The numbers stand behind the family (claude-sonnet-4-6) or before it (claude-3-5-haiku); a date
  // behind them is longer than two digits.
  const found = /claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(model);
  if (found === null) return undefined;
  return Number(found[1]) * 100 + Number(found[2] ?? 0);
}

/** Models from Claude Opus 4.7 on answer 400 for sampling parameters other than the defaults. */
export function takesSampling(version: number | undefined): boolean {
  return version === undefined || version <= 406;
}

/** Models from 4.1 on refuse temperature and top_p together. */
export function takesOneOfSampling(version: number | undefined): boolean {
  return version === undefined || version >= 401;
}

/** Models from 4.6 on decide themselves how much to think; later ones refuse a budget. */
export function thinksAdaptively(version: number | undefined): boolean {
  return version !== undefined && version >= 406;
}

/** Models from 4.5 on keep the arguments of a tool to its schema. */
export function takesStrictTools(version: number | undefined): boolean {
  return version === undefined || version >= 405;
}

/**
 * `max_tokens` when the client names none: chat completions have no such limit, Messages require
 * it. The most that each generation takes, up to 32,000.
 */
export function defaultMaxTokens(version: number | undefined): number {
  if (version === undefined) return 8_192;
  if (version >= 307) return 32_000;
  return version >= 305 ? 8_192 : 4_096;
}
