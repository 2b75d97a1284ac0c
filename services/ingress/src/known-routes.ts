import { GatewayError } from '@gateway/protocol';
import type { RouteOptions } from 'fastify';

/** The routes there are, to tell a wrong method from a wrong path. */
export class KnownRoutes {
  readonly #routes: { readonly method: string; readonly pattern: RegExp }[] = [];

  add({ method, url }: Pick<RouteOptions, 'method' | 'url'>): void {
    const source = url
      .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/:[a-z]+/gi, '[^/]+')
      .replaceAll('*', '.+');
    const pattern = new RegExp(`^${source}$`);
    for (const one of [method].flat()) this.#routes.push({ method: one, pattern });
  }

  /** The methods of a path; none for a path that does not exist. */
  methodsOf(path: string): readonly string[] {
    const matching = this.#routes.filter(({ pattern }) => pattern.test(path));
    return [...new Set(matching.map(({ method }) => method))].sort();
  }
}

/** Why a request found no route. */
export function noRoute(allowed: readonly string[]): GatewayError {
  if (allowed.length === 0) return new GatewayError('not_found', 'There is nothing at this path.');
  return new GatewayError('method_not_allowed', `This path takes ${allowed.join(', ')} only.`);
}
