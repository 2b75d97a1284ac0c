import type { Citation } from '../chat/citation.ts';
import type { ApiCitation } from './messages-api.ts';

/** A source on the web. Places in the client's own documents have no form in a chat completion. */
export function citationOf({ type, url, title }: ApiCitation): Citation[] {
  if (type !== 'web_search_result_location' || !url) return [];
  return [{ url, title: title ?? '' }];
}
