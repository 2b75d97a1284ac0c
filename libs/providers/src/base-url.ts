/** A provider's address, split as HTTP needs it. */
export interface BaseUrl {
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  /** Path on the provider's server of a path below the base URL. */
  pathOf(path: string): string;
}

/** A path with the parameters of a query, without its `?`, behind those that it has. */
export function withQuery(path: string, query: string): string {
  if (query === '') return path;
  return `${path}${path.includes('?') ? '&' : '?'}${query}`;
}

/**
 * Reads a base URL as the vendors' SDKs take it: with or without a path, which is kept, and with or
 * without a slash at its end. Throws a TypeError for what is no URL of http or https.
 */
export function parseBaseUrl(text: string): BaseUrl {
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError('A base URL starts with http:// or https://.');
  }
  const prefix = url.pathname.replace(/\/+$/, '');
  const defaultPort = url.protocol === 'https:' ? 443 : 80;
  return {
    origin: url.origin,
    host: url.hostname,
    port: url.port === '' ? defaultPort : Number(url.port),
    pathOf: (path) => (path.startsWith('/') ? prefix + path : `${prefix}/${path}`),
  };
}
