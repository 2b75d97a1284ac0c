import type { Citation } from '../chat/citation.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { Emit, ItemPlace, ItemStatus, OpenItem } from './open-item.ts';

interface Part {
  readonly type: 'output_text' | 'refusal';
  text: string;
  readonly annotations: JsonObject[];
}

/** A message of the assistant: one part for each run of text or of a refusal. */
export class OpenMessage implements OpenItem {
  readonly place: ItemPlace;
  readonly #emit: Emit;
  readonly #parts: Part[] = [];

  constructor(place: ItemPlace, emit: Emit) {
    this.place = place;
    this.#emit = emit;
    const item = { type: 'message', id: place.item_id, status: 'in_progress', role: 'assistant' };
    const { output_index } = place;
    emit('response.output_item.added', { output_index, item: { ...item, content: [] } });
  }

  text(delta: string): void {
    this.#partOf('output_text').text += delta;
    this.#emit('response.output_text.delta', { ...this.#here(), delta, logprobs: [] });
  }

  refusal(delta: string): void {
    this.#partOf('refusal').text += delta;
    this.#emit('response.refusal.delta', { ...this.#here(), delta });
  }

  /** Where the provider does not say which characters a source stands for, it is all so far. */
  citation({ url, title, startIndex = 0, endIndex }: Citation): void {
    const part = this.#partOf('output_text');
    const annotation = {
      type: 'url_citation',
      url,
      title,
      start_index: startIndex,
      end_index: endIndex ?? part.text.length,
    };
    const annotation_index = part.annotations.length;
    part.annotations.push(annotation);
    const fields = { ...this.#here(), annotation_index, annotation };
    this.#emit('response.output_text.annotation.added', fields);
  }

  close(status: ItemStatus): JsonObject {
    this.#closePart();
    const { item_id: id, output_index } = this.place;
    const content = this.#parts.map(partOf);
    const item = { type: 'message', id, status, role: 'assistant', content };
    this.#emit('response.output_item.done', { output_index, item });
    return item;
  }

  #partOf(type: Part['type']): Part {
    const last = this.#parts.at(-1);
    if (last?.type === type) return last;
    this.#closePart();
    const part: Part = { type, text: '', annotations: [] };
    this.#parts.push(part);
    this.#emit('response.content_part.added', { ...this.#here(), part: partOf(part) });
    return part;
  }

  #closePart(): void {
    const part = this.#parts.at(-1);
    if (part === undefined) return;
    const here = this.#here();
    const { type, text } = part;
    if (type === 'refusal') this.#emit('response.refusal.done', { ...here, refusal: text });
    else this.#emit('response.output_text.done', { ...here, text, logprobs: [] });
    this.#emit('response.content_part.done', { ...here, part: partOf(part) });
  }

  #here(): JsonObject {
    return { ...this.place, content_index: this.#parts.length - 1 };
  }
}

function partOf({ type, text, annotations }: Part): JsonObject {
  if (type === 'refusal') return { type, refusal: text };
  return { type, text, annotations: [...annotations], logprobs: [] };
}
