/**
 * The output items of a response, in the order in which the model says them.
 *
 * A message or a run of reasoning ends where something else begins. Calls stay open to the end:
 * providers send the arguments of parallel calls interleaved.
 */
import type { ToolCallAnswer } from '../chat/chat-answer.ts';
import type { Citation } from '../chat/citation.ts';
import type { ReasoningDetail, ReasoningFormat } from '../chat/reasoning-details.ts';
import type { JsonObject } from '../json/read-json.ts';
import { OpenCall } from './open-call.ts';
import type { Emit, ItemPlace, ItemStatus, OpenItem } from './open-item.ts';
import { OpenMessage } from './open-message.ts';
import { OpenReasoning } from './open-reasoning.ts';
import type { ToolIdentity } from './tools-to-chat.ts';

export interface OutputOptions {
  /** The response's; the ids of its items are made of it. */
  readonly responseId: string;
  readonly emit: Emit;
  readonly identities: ReadonlyMap<string, ToolIdentity>;
  /** Whether the client asked for encrypted reasoning. */
  readonly keepsReasoning: boolean;
}

export class OutputBuilder {
  readonly #options: OutputOptions;
  /** By output index; holes are items that are still open. */
  readonly #finished: JsonObject[] = [];
  readonly #calls: OpenCall[] = [];
  #current: OpenMessage | OpenReasoning | undefined;
  #count = 0;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  get callCount(): number {
    return this.#calls.length;
  }

  text(delta: string): void {
    if (delta !== '') this.#message().text(delta);
  }

  refusal(delta: string): void {
    if (delta !== '') this.#message().refusal(delta);
  }

  citation(citation: Citation): void {
    this.#message().citation(citation);
  }

  reasoning(delta: string): void {
    if (delta !== '') this.#reasoning().text(delta);
  }

  signature(signature: string, format: ReasoningFormat): void {
    if (this.#keeps) this.#reasoning().signature(signature, format);
  }

  /** OpenAI's own come one by one, with their ids, so that OpenAI takes them back. */
  detail(detail: ReasoningDetail): void {
    if (!this.#keeps) return;
    if (detail.format !== 'openai-responses-v1' || detail.type !== 'reasoning.encrypted') {
      this.#reasoning().detail(detail);
      return;
    }
    this.#closeCurrent('completed');
    this.#reasoning(detail.id).detail(detail);
    this.#closeCurrent('completed');
  }

  /** Returns the call's number. */
  call({ id, function: called, extra_content: extra }: ToolCallAnswer): number {
    if (extra !== undefined && this.#keeps) this.#reasoning().call(id, extra);
    this.#closeCurrent('completed');
    const { identities, emit } = this.#options;
    const identity = identities.get(called.name) ?? { kind: 'function', name: called.name };
    const prefix = identity.kind === 'custom' ? 'ctc' : 'fc';
    const call = new OpenCall(this.#place(prefix), emit, id, identity);
    if (called.arguments !== '') call.arguments(called.arguments);
    return this.#calls.push(call) - 1;
  }

  callArguments(number: number, delta: string): void {
    this.#calls[number]?.arguments(delta);
  }

  /** Every item, the last with the given status. */
  end(status: ItemStatus): readonly JsonObject[] {
    const lastIsCall = this.#current === undefined;
    const last = this.#calls.at(-1);
    for (const call of this.#calls) {
      this.#finish(call, call === last && lastIsCall ? status : 'completed');
    }
    this.#closeCurrent(status);
    return this.#finished;
  }

  get #keeps(): boolean {
    return this.#options.keepsReasoning;
  }

  #message(): OpenMessage {
    if (this.#current instanceof OpenMessage) return this.#current;
    this.#closeCurrent('completed');
    const message = new OpenMessage(this.#place('msg'), this.#options.emit);
    this.#current = message;
    return message;
  }

  #reasoning(id?: string): OpenReasoning {
    if (this.#current instanceof OpenReasoning) return this.#current;
    this.#closeCurrent('completed');
    const place = this.#place('rs', id);
    const reasoning = new OpenReasoning(place, this.#options.emit, this.#keeps);
    this.#current = reasoning;
    return reasoning;
  }

  #closeCurrent(status: ItemStatus): void {
    if (this.#current !== undefined) this.#finish(this.#current, status);
    this.#current = undefined;
  }

  #finish(item: OpenItem, status: ItemStatus): void {
    this.#finished[item.place.output_index] = item.close(status);
  }

  #place(prefix: string, id?: string): ItemPlace {
    const index = this.#count;
    this.#count += 1;
    const suffix = this.#options.responseId.replace(/^resp_/, '');
    return { item_id: id ?? `${prefix}_${suffix}_${index}`, output_index: index };
  }
}
