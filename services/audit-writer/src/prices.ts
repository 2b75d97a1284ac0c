/**
 * What a provider call cost, from the list of prices in `@pydantic/genai-prices`.
 * @see https://github.com/pydantic/genai-prices
 */
import type { AttemptedEvent, Usage } from '@gateway/protocol';
import { calcPrice, type Provider } from '@pydantic/genai-prices';

/** The day the version of the list that we pin was published. */
export const PRICE_DATE = '2026-09-23';

const MICRO_USD_PER_USD = 1_000_000;
/** A hundred million dollars: more is no price but a mistake, and the sum of a row stays exact. */
const COST_MAX_MICRO_USD = 100_000_000 * MICRO_USD_PER_USD;
/** Models whose place in the list is remembered; finding one takes most of a calculation. */
const KNOWN_MODELS_MAX = 1_000;

export interface Cost {
  /** In millionths of a US dollar; null when no price is known. */
  readonly costMicroUsd: number | null;
  readonly priceDate: string | null;
}

const FREE: Cost = { costMicroUsd: 0, priceDate: null };
const UNKNOWN: Cost = { costMicroUsd: null, priceDate: null };

/** The cost of an attempt at the prices of its time, rounded to a millionth of a dollar. */
export function costOf(attempt: AttemptedEvent): Cost {
  const { usage, usageSource, provider } = attempt;
  if (usageSource === 'unknown') return UNKNOWN;
  if (usage.inputTokens === 0 && usage.outputTokens === 0) return FREE;
  const { model, responseModel = model } = attempt;
  const usd =
    priceIn(responseModel, provider, usage, attempt.at) ??
    priceIn(model, provider, usage, attempt.at);
  if (usd === null) return UNKNOWN;
  const costMicroUsd = Math.round(usd * MICRO_USD_PER_USD);
  return costMicroUsd <= COST_MAX_MICRO_USD ? { costMicroUsd, priceDate: PRICE_DATE } : UNKNOWN;
}

/** A provider of the list that holds the one model asked for, or null for a model without price. */
const knownModels = new Map<string, Provider | null>();

function priceIn(model: string, providerId: string, usage: Usage, at: number): number | null {
  const name = `${providerId}\n${model}`;
  const provider = knownModels.get(name);
  if (provider === null) return null;
  const found = calculate(model, usage, at, provider ? { provider } : { providerId });
  if (provider === undefined) {
    if (knownModels.size >= KNOWN_MODELS_MAX) knownModels.clear();
    knownModels.set(name, found && { ...found.provider, models: [found.model] });
  }
  return found?.total_price ?? null;
}

function calculate(
  model: string,
  usage: Usage,
  at: number,
  where: { provider: Provider } | { providerId: string },
): ReturnType<typeof calcPrice> {
  const cached = usage.cachedInputTokens;
  const written = usage.cacheWriteInputTokens;
  return calcPrice(
    {
      // The list takes the parts for parts of the whole, and refuses parts that are larger.
      input_tokens: Math.max(usage.inputTokens, cached + written),
      cache_read_tokens: cached,
      cache_write_tokens: written,
      output_tokens: usage.outputTokens,
    },
    model,
    { ...where, timestamp: new Date(at) },
  );
}
