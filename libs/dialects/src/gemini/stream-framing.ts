/** How a client wants its stream: Google's clients take events with `alt=sse`, else a JSON array. */
export interface StreamFraming {
  readonly contentType: string;
  /** One answer of the stream; the text is JSON of one line. */
  element(json: string): string;
  /** What stands behind the last element. */
  close(): string;
}

export function eventFraming(): StreamFraming {
  return {
    contentType: 'text/event-stream',
    element: (json) => `data: ${json}\r\n\r\n`,
    close: () => '',
  };
}

export function arrayFraming(): StreamFraming {
  let isFirst = true;
  const opening = () => {
    const text = isFirst ? '[' : ',\r\n';
    isFirst = false;
    return text;
  };
  return {
    contentType: 'application/json',
    element: (json) => opening() + json,
    close: () => (isFirst ? '[]' : '\r\n]'),
  };
}
