/** From a model name to the ordered targets that may answer. Pure. */
import {
  type Configuration,
  GatewayError,
  type KeyRecord,
  type ModelRoute,
  type Timeouts,
} from '@gateway/protocol';
import { Remembered } from './remembered.ts';

export interface PlannedTarget {
  readonly provider: string;
  /** The provider's name of the model. */
  readonly model: string;
}

export interface Plan {
  readonly targets: readonly [PlannedTarget, ...PlannedTarget[]];
  readonly timeouts: Timeouts;
  /** Whether a call goes on whose client has left. */
  readonly finishesAlone: boolean;
}

/** Plans that are remembered of a configuration, each for a name of at most so many characters. */
const PLANS_MAX = 1_000;
const NAME_LENGTH_MAX = 256;

/** A name leads the same way each time, and finding it anew takes as long as there are routes. */
const plansOf = new WeakMap<Configuration, Remembered<Plan>>();

/**
 * The plan for a model: the route of exactly that name, else the route of the longest matching
 * pattern, else `<provider>/<model>`. Throws `permission_denied` when the key may not use the model,
 * `model_not_found` when nothing answers to the name, `invalid_request` when the one provider that
 * has what the request goes on from is none of the targets.
 */
export function planRequest(
  configuration: Configuration,
  key: KeyRecord,
  model: string,
  onlyProvider?: string,
): Plan {
  if (!mayUse(key, model)) {
    throw new GatewayError('permission_denied', 'This key may not use the requested model.', {
      param: 'model',
      reason: 'model_not_allowed',
    });
  }
  if (onlyProvider !== undefined || model.length > NAME_LENGTH_MAX) {
    return makePlan(configuration, model, onlyProvider);
  }
  const plans = plansOf.get(configuration) ?? new Remembered(PLANS_MAX);
  const known = plans.get(model);
  if (known !== undefined) return known;
  const plan = makePlan(configuration, model);
  plans.set(model, plan);
  plansOf.set(configuration, plans);
  return plan;
}

function makePlan(configuration: Configuration, model: string, onlyProvider?: string): Plan {
  const route = routeOf(configuration, model);
  if (!route) {
    throw new GatewayError('model_not_found', 'No such model is served by this gateway.', {
      param: 'model',
    });
  }
  const [first, ...rest] = route.targets
    .filter(({ provider }) => onlyProvider === undefined || provider === onlyProvider)
    .map((target) => ({ provider: target.provider, model: target.model ?? model }));
  if (first === undefined) {
    throw new GatewayError('invalid_request', 'Another provider keeps the previous response.', {
      param: 'previous_response_id',
      reason: 'previous_response_not_found',
    });
  }
  return {
    targets: [first, ...rest],
    timeouts: { ...configuration.timeouts, ...definedOnly(route.timeouts) },
    finishesAlone: route.clientLeaves === 'finish',
  };
}

export function mayUse({ models }: KeyRecord, model: string): boolean {
  return !models || models.some((pattern) => matches(pattern, model));
}

/** The route that a model name leads to, whoever asks. */
export function routeOf(configuration: Configuration, model: string): ModelRoute | undefined {
  return findRoute(configuration.models, model) ?? qualifiedRoute(configuration, model);
}

/** Whether a name is, or a pattern with `*` at its end covers, the model. */
function matches(pattern: string, model: string): boolean {
  return pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : pattern === model;
}

/** Of equally long matches the first wins, and operators' routes stand before the built-in ones. */
function findRoute(routes: readonly ModelRoute[], model: string): ModelRoute | undefined {
  let best: ModelRoute | undefined;
  for (const route of routes) {
    if (route.match === model) return route;
    if (!matches(route.match, model)) continue;
    if (!best || route.match.length > best.match.length) best = route;
  }
  return best;
}

function qualifiedRoute(configuration: Configuration, name: string): ModelRoute | undefined {
  const slash = name.indexOf('/');
  const provider = name.slice(0, slash);
  const model = name.slice(slash + 1);
  if (slash < 1 || model === '') return undefined;
  if (!configuration.providers.some((known) => known.name === provider)) return undefined;
  return { match: name, targets: [{ provider, model }] };
}

function definedOnly(overrides: ModelRoute['timeouts']): Partial<Timeouts> {
  const entries = Object.entries(overrides ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries);
}
