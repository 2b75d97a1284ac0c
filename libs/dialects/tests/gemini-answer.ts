/**
 * What a client of Google's API makes of an answer. Written for the tests alone, and without any
 * code of the library.
 */
interface Value {
  readonly [name: string]: unknown;
}

export interface GeminiClientAnswer {
  readonly texts: string[];
  readonly reasoning: string;
  readonly signatures: string[];
  readonly calls: { id: unknown; name: string; args: unknown; signature: unknown }[];
  readonly finishReasons: string[];
  readonly usage: Value | undefined;
  /** The elements as they came. */
  readonly answers: Value[];
}

export function readGeminiBody(body: Uint8Array): GeminiClientAnswer {
  const value: unknown = JSON.parse(new TextDecoder().decode(body));
  return readAnswers(Array.isArray(value) ? (value as Value[]) : [value as Value]);
}

/** Events as Google frames them: every line ends with CRLF. */
export function readGeminiEvents(body: Uint8Array): GeminiClientAnswer {
  const text = new TextDecoder().decode(body);
  const events = text.split(/\r?\n\r?\n/).filter((event) => event.trim() !== '');
  return readAnswers(
    events.map((event) => {
      const lines = event.split(/\r?\n/).map((line) => line.replace(/^data: ?/, ''));
      return JSON.parse(lines.join('\n')) as Value;
    }),
  );
}

function readAnswers(answers: Value[]): GeminiClientAnswer {
  const texts = new Map<number, string>();
  const finish = new Map<number, string>();
  const calls: GeminiClientAnswer['calls'] = [];
  const signatures: string[] = [];
  let reasoning = '';
  let usage: Value | undefined;
  for (const answer of answers) {
    if (answer.usageMetadata) usage = answer.usageMetadata as Value;
    for (const [position, candidate] of ((answer.candidates ?? []) as Value[]).entries()) {
      const index = (candidate.index as number | undefined) ?? position;
      const content = (candidate.content ?? {}) as Value;
      if (candidate.finishReason) finish.set(index, String(candidate.finishReason));
      for (const part of (content.parts ?? []) as Value[]) {
        const call = part.functionCall as Value | undefined;
        if (call) {
          const { id, name, args } = call;
          calls.push({ id, name: String(name), args, signature: part.thoughtSignature });
        } else if (part.thought) {
          reasoning += String(part.text ?? '');
          if (part.thoughtSignature) signatures.push(String(part.thoughtSignature));
        } else texts.set(index, (texts.get(index) ?? '') + String(part.text ?? ''));
      }
    }
  }
  const inOrder = (values: Map<number, string>) =>
    [...values].sort(([left], [right]) => left - right).map(([, value]) => value);
  return {
    texts: inOrder(texts),
    reasoning,
    signatures,
    calls,
    finishReasons: inOrder(finish),
    usage,
    answers,
  };
}
