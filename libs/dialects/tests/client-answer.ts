/**
 * What a client of chat completions makes of an answer. Written for the tests alone, and without
 * any code of the library: two readers that share their mistakes would agree on them.
 */
interface Value {
  readonly [name: string]: unknown;
}

export interface ClientAnswer {
  readonly texts: string[];
  readonly reasoning: string;
  readonly refusal: string;
  readonly toolCalls: { id: string; name: string; arguments: string }[];
  readonly finishReasons: string[];
  readonly usage: Value | undefined;
  readonly done: boolean;
}

export function readWholeAnswer(body: Uint8Array): ClientAnswer {
  const reader = new AnswerReader();
  reader.add(JSON.parse(new TextDecoder().decode(body)) as Value, 'message');
  return reader.result();
}

export function readStreamedAnswer(body: Uint8Array): ClientAnswer {
  const reader = new AnswerReader();
  const text = new TextDecoder().decode(body).replace(/\r\n/g, '\n');
  for (const event of text.split('\n\n')) {
    const data = event
      .split('\n')
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice('data:'.length).trimStart())
      .join('\n');
    if (data === '[DONE]') reader.done = true;
    else if (data !== '') reader.add(JSON.parse(data) as Value, 'delta');
  }
  return reader.result();
}

class AnswerReader {
  done = false;
  readonly #texts = new Map<number, string>();
  readonly #finish = new Map<number, string>();
  readonly #calls = new Map<string, { id: string; name: string; arguments: string }>();
  #reasoning = '';
  #refusal = '';
  #usage: Value | undefined;

  add(value: Value, field: 'message' | 'delta'): void {
    if (value.usage) this.#usage = value.usage as Value;
    for (const [position, choice] of ((value.choices ?? []) as Value[]).entries()) {
      const index = (choice.index as number | undefined) ?? position;
      const said = (choice[field] ?? {}) as Value;
      this.#texts.set(index, (this.#texts.get(index) ?? '') + this.#textOf(said.content));
      this.#reasoning += String(said.reasoning_content ?? said.reasoning ?? '');
      this.#refusal += String(said.refusal ?? '');
      if (choice.finish_reason) this.#finish.set(index, String(choice.finish_reason));
      for (const [order, call] of ((said.tool_calls ?? []) as Value[]).entries()) {
        this.#call(`${index}.${String(call.index ?? order)}`, call);
      }
      if (said.function_call) this.#call(`${index}.legacy`, { function: said.function_call });
    }
  }

  result(): ClientAnswer {
    return {
      texts: [...this.#texts].sort(([left], [right]) => left - right).map(([, text]) => text),
      reasoning: this.#reasoning,
      refusal: this.#refusal,
      toolCalls: [...this.#calls.values()],
      finishReasons: [...this.#finish]
        .sort(([left], [right]) => left - right)
        .map(([, reason]) => reason),
      usage: this.#usage,
      done: this.done,
    };
  }

  #call(key: string, part: Value): void {
    const call = this.#calls.get(key) ?? { id: '', name: '', arguments: '' };
    this.#calls.set(key, call);
    const called = (part.function ?? {}) as Value;
    if (part.id) call.id = String(part.id);
    call.name ||= String(called.name ?? '');
    call.arguments += String(called.arguments ?? '');
  }

  #textOf(content: unknown): string {
    if (!Array.isArray(content)) return String(content ?? '');
    let text = '';
    for (const part of content as Value[]) {
      if (part.type === 'text') text += String(part.text);
      if (part.type === 'thinking') {
        for (const thought of part.thinking as Value[]) this.#reasoning += String(thought.text);
      }
    }
    return text;
  }
}
