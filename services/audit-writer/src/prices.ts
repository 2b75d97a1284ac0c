/**
 * What a provider call cost, from the list of prices in `@pydantic/genai-prices`.
 * @see https://github.com/pydantic/genai-prices
 */
import type { AttemptedEvent, Usage } from '@gateway/protocol';
import {
  calcPrice,
  type ModelPrice,
  type PriceCalculation,
  type PriceCalculationResult,
  type Provider,
} from '@pydantic/genai-prices';

/** The day the version of the list that we pin was published. */
export const PRICE_DATE = '2026-09-23';

const MICRO_USD_PER_USD = 1_000_000;
/** A hundred million dollars: more is no price but a mistake, and the sum of a row stays exact. */
const COST_MAX_MICRO_USD = 100_000_000 * MICRO_USD_PER_USD;
/** Models whose place in the list is remembered; finding one takes most of a calculation. */
const KNOWN_MODELS_MAX = 1_000;
const TOKENS_PER_PRICE = 1_000_000;
const INPUT_NAMES: ReadonlySet<string> = new Set([
  'input_mtok',
  'cache_read_mtok',
  'cache_write_mtok',
]);

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

type PriceAt = (usage: Usage, at: number) => number | null;

/** By provider and model: how the list prices a call. */
const knownModels = new Map<string, PriceAt>();

function priceIn(model: string, providerId: string, usage: Usage, at: number): number | null {
  const name = `${providerId}\n${model}`;
  const known = knownModels.get(name);
  if (known !== undefined) return known(usage, at);
  const found = calculate(model, usage, at, { providerId });
  if (knownModels.size >= KNOWN_MODELS_MAX) knownModels.clear();
  knownModels.set(name, found === null ? () => null : priceOf(model, found));
  return found?.total_price ?? null;
}

function priceOf(model: string, found: PriceCalculation): PriceAt {
  const flat = Array.isArray(found.model.prices) ? undefined : flatPriceOf(found.model.prices);
  if (flat !== undefined) return flat;
  const provider = { ...found.provider, models: [found.model] };
  return (usage, at) => calculate(model, usage, at, { provider })?.total_price ?? null;
}

/**
 * The price where it is the same at any time and for any number of tokens, as most are: the list takes
 * 11 µs to say so again. Undefined for all others. It adds as the list does, to the last bit.
 */
function flatPriceOf(prices: ModelPrice): PriceAt | undefined {
  const isFlat = Object.entries(prices).every(
    ([name, price]) => typeof price === 'number' && !name.startsWith('requests'),
  );
  if (!isFlat) return undefined;
  const readIsPriced = 'cache_read_mtok' in prices;
  const writtenIsPriced = 'cache_write_mtok' in prices;
  // What else a model has prices for, sounds and pictures, our usage counts none of.
  const inputNames = Object.keys(prices).filter((name) => INPUT_NAMES.has(name));
  const priceFor = (name: string, tokens: number) =>
    (Number(prices[name] ?? 0) * tokens) / TOKENS_PER_PRICE;
  return (usage) => {
    const { input_tokens, cache_read_tokens, cache_write_tokens, output_tokens } = counted(usage);
    const read = readIsPriced ? cache_read_tokens : 0;
    const written = writtenIsPriced ? cache_write_tokens : 0;
    let input = 0;
    for (const name of inputNames) {
      if (name === 'input_mtok') input += priceFor(name, input_tokens - read - written);
      else input += priceFor(name, name === 'cache_read_mtok' ? read : written);
    }
    return input + priceFor('output_mtok', output_tokens);
  };
}

function calculate(
  model: string,
  usage: Usage,
  at: number,
  where: { provider: Provider } | { providerId: string },
): PriceCalculationResult {
  return calcPrice(counted(usage), model, { ...where, timestamp: new Date(at) });
}

/** The list takes the parts for parts of the whole, and refuses parts that are larger. */
function counted(usage: Usage) {
  const cached = usage.cachedInputTokens;
  const written = usage.cacheWriteInputTokens;
  return {
    input_tokens: Math.max(usage.inputTokens, cached + written),
    cache_read_tokens: cached,
    cache_write_tokens: written,
    output_tokens: usage.outputTokens,
  };
}
