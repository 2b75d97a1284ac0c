/**
 * What a client of the Messages API makes of an answer. Written for the tests alone, and without any
 * code of the library. It is strict where Anthropic's own client is: blocks come one after another,
 * and every delta belongs to the one that is open.
 */
interface Value {
  readonly [name: string]: unknown;
}

export interface MessagesAnswer {
  readonly text: string;
  readonly thinking: string;
  readonly toolCalls: { id: string; name: string; input: unknown }[];
  readonly stopReason: unknown;
  readonly usage: Value;
  readonly content: readonly Value[];
  readonly model: unknown;
  readonly done: boolean;
}

export function readWholeMessage(body: Uint8Array): MessagesAnswer {
  return answerOf(JSON.parse(new TextDecoder().decode(body)) as Value, true);
}

export function readStreamedMessage(body: Uint8Array): MessagesAnswer {
  const reader = new MessageReader();
  const text = new TextDecoder().decode(body).replace(/\r\n/g, '\n');
  for (const event of text.split('\n\n')) {
    const lines = event.split('\n');
    const field = (name: string) =>
      lines
        .filter((line) => line.startsWith(`${name}:`))
        .map((line) => line.slice(name.length + 1).trimStart())
        .join('\n');
    if (field('data') === '') continue;
    const data = JSON.parse(field('data')) as Value;
    if (field('event') !== data.type) throw new Error(`an event named ${field('event')}`);
    reader.add(data);
  }
  return answerOf(reader.message, reader.done);
}

class MessageReader {
  message: Record<string, unknown> = {};
  done = false;
  #open: number | undefined;
  #input = '';

  add(event: Value): void {
    if (this.done) throw new Error('an event behind the last one');
    const content = (this.message.content ?? []) as Record<string, unknown>[];
    const block = content.at(-1) ?? {};
    switch (event.type) {
      case 'message_start':
        this.message = structuredClone(event.message) as Record<string, unknown>;
        break;
      case 'content_block_start':
        if (this.#open !== undefined) throw new Error('blocks overlap');
        if (event.index !== content.length) throw new Error('a block out of order');
        this.#open = content.length;
        this.#input = '';
        content.push(structuredClone(event.content_block) as Record<string, unknown>);
        break;
      case 'content_block_delta':
        if (event.index !== this.#open) throw new Error('a delta of no open block');
        this.#delta(block, event.delta as Value);
        break;
      case 'content_block_stop':
        if (event.index !== this.#open) throw new Error('a block ends that is not open');
        this.#open = undefined;
        if (this.#input !== '') block.input = JSON.parse(this.#input);
        break;
      case 'message_delta':
        if (this.#open !== undefined) throw new Error('a block that does not end');
        Object.assign(this.message, event.delta);
        Object.assign(this.message.usage as object, event.usage);
        break;
      case 'message_stop':
        this.done = true;
        break;
      case 'ping':
        break;
      default:
        throw new Error(`an event of type ${String(event.type)}`);
    }
  }

  #delta(block: Record<string, unknown>, delta: Value): void {
    const add = (name: string) => {
      block[name] = String(block[name] ?? '') + String(delta[name]);
    };
    if (delta.type === 'text_delta' && block.type === 'text') add('text');
    else if (delta.type === 'thinking_delta' && block.type === 'thinking') add('thinking');
    else if (delta.type === 'signature_delta' && block.type === 'thinking') add('signature');
    else if (delta.type === 'input_json_delta') this.#input += String(delta.partial_json);
    else if (delta.type === 'citations_delta' && block.type === 'text') {
      block.citations = [...((block.citations ?? []) as Value[]), delta.citation];
    } else throw new Error(`a ${String(delta.type)} in a block of ${String(block.type)}`);
  }
}

function answerOf(message: Value, done: boolean): MessagesAnswer {
  const content = (message.content ?? []) as Value[];
  const joined = (type: string, name: string) =>
    content.map((block) => (block.type === type ? String(block[name]) : '')).join('');
  return {
    text: joined('text', 'text'),
    thinking: joined('thinking', 'thinking'),
    toolCalls: content
      .filter(({ type }) => type === 'tool_use')
      .map(({ id, name, input }) => ({ id: String(id), name: String(name), input })),
    stopReason: message.stop_reason,
    usage: (message.usage ?? {}) as Value,
    content,
    model: message.model,
    done,
  };
}
