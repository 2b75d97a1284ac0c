import type { ReasoningDetail, ReasoningFormat } from '../chat/reasoning-details.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { Emit, ItemPlace, OpenItem } from './open-item.ts';
import { encryptedContent } from './reasoning-content.ts';

const SUMMARY = { summary_index: 0 };

/**
 * Reasoning that the client may read stands in the summary, where clients look for it. What the
 * vendor wants back goes into the encrypted content when the client asked for that.
 */
export class OpenReasoning implements OpenItem {
  readonly place: ItemPlace;
  readonly #emit: Emit;
  readonly #isKept: boolean;
  readonly #details: ReasoningDetail[] = [];
  readonly #calls: Record<string, unknown> = {};
  #text = '';
  #unsigned = '';

  constructor(place: ItemPlace, emit: Emit, isKept: boolean) {
    this.place = place;
    this.#emit = emit;
    this.#isKept = isKept;
    const item = { type: 'reasoning', id: place.item_id, summary: [] };
    emit('response.output_item.added', { output_index: place.output_index, item });
  }

  text(delta: string): void {
    if (this.#text === '') {
      const part = { type: 'summary_text', text: '' };
      this.#emit('response.reasoning_summary_part.added', { ...this.place, ...SUMMARY, part });
    }
    this.#text += delta;
    this.#unsigned += delta;
    this.#emit('response.reasoning_summary_text.delta', { ...this.place, ...SUMMARY, delta });
  }

  /** Of the text since the last signature. */
  signature(signature: string, format: ReasoningFormat): void {
    this.#details.push({ type: 'reasoning.text', text: this.#unsigned, signature, format });
    this.#unsigned = '';
  }

  detail(detail: ReasoningDetail): void {
    this.#details.push(detail);
  }

  /** What belongs to a call that follows, and has no place in the call itself. */
  call(id: string, extra: unknown): void {
    this.#calls[id] = extra;
  }

  close(): JsonObject {
    const { item_id: id, output_index } = this.place;
    const part = { type: 'summary_text', text: this.#text };
    if (this.#text !== '') {
      const here = { ...this.place, ...SUMMARY };
      this.#emit('response.reasoning_summary_text.done', { ...here, text: this.#text });
      this.#emit('response.reasoning_summary_part.done', { ...here, part });
    }
    const content = this.#content();
    const item = {
      type: 'reasoning',
      id,
      summary: this.#text === '' ? [] : [part],
      ...(content !== undefined && { encrypted_content: content }),
    };
    this.#emit('response.output_item.done', { output_index, item });
    return item;
  }

  #content(): string | undefined {
    if (!this.#isKept) return undefined;
    const [detail, ...more] = this.#details;
    const hasCalls = Object.keys(this.#calls).length > 0;
    if (detail === undefined && !hasCalls) return undefined;
    const isOpenai = detail?.format === 'openai-responses-v1' && more.length === 0 && !hasCalls;
    if (isOpenai && detail.type === 'reasoning.encrypted') return detail.data;
    return encryptedContent({
      ...(detail !== undefined && { details: [detail, ...more].map((one) => ({ ...one })) }),
      ...(hasCalls && { calls: this.#calls }),
    });
  }
}
