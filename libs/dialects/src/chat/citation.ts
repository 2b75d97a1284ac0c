import { isObject, type JsonObject } from '../json/read-json.ts';

/** A place on the web that an answer names as its source. */
export interface Citation {
  readonly url: string;
  readonly title: string;
  /** The characters of the answer's text that it stands for, where the provider says so. */
  readonly startIndex?: number | undefined;
  readonly endIndex?: number | undefined;
}

/** @see https://platform.openai.com/docs/guides/tools-web-search#output-and-citations */
export function citationToChat({ url, title, startIndex, endIndex }: Citation): JsonObject {
  const place = {
    ...(startIndex !== undefined && { start_index: startIndex }),
    ...(endIndex !== undefined && { end_index: endIndex }),
  };
  return { type: 'url_citation', url_citation: { url, title, ...place } };
}

/** The citations among the annotations of a message or a delta. */
export function citationsFromChat(annotations: unknown): readonly Citation[] {
  if (!Array.isArray(annotations)) return [];
  return annotations.flatMap((annotation: unknown) => {
    const said = isObject(annotation) ? annotation.url_citation : undefined;
    if (!isObject(said) || typeof said.url !== 'string') return [];
    const { url, title, start_index: startIndex, end_index: endIndex } = said;
    return [
      {
        url,
        title: typeof title === 'string' ? title : '',
        startIndex: typeof startIndex === 'number' ? startIndex : undefined,
        endIndex: typeof endIndex === 'number' ? endIndex : undefined,
      },
    ];
  });
}
