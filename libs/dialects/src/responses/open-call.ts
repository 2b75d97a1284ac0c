import { isObject, type JsonObject, readJson } from '../json/read-json.ts';
import type { Emit, ItemPlace, ItemStatus, OpenItem } from './open-item.ts';
import { CUSTOM_INPUT, type ToolIdentity } from './tools-to-chat.ts';

/** A call of a function, or of the custom tool or the namespace's function that it stands for. */
export class OpenCall implements OpenItem {
  readonly place: ItemPlace;
  readonly #emit: Emit;
  readonly #callId: string;
  readonly #identity: ToolIdentity;
  #arguments = '';

  constructor(place: ItemPlace, emit: Emit, callId: string, identity: ToolIdentity) {
    this.place = place;
    this.#emit = emit;
    this.#callId = callId;
    this.#identity = identity;
    const { output_index } = place;
    emit('response.output_item.added', { output_index, item: this.#item('in_progress', '') });
  }

  arguments(delta: string): void {
    this.#arguments += delta;
    // A custom tool's text is inside of JSON, and waits until that can be read.
    if (this.#identity.kind === 'custom') return;
    this.#emit('response.function_call_arguments.delta', { ...this.place, delta });
  }

  close(status: ItemStatus): JsonObject {
    const { output_index } = this.place;
    if (this.#identity.kind === 'custom') this.#closeCustom();
    else {
      const done = { ...this.place, name: this.#identity.name, arguments: this.#arguments };
      this.#emit('response.function_call_arguments.done', done);
    }
    const item = this.#item(status, this.#said());
    this.#emit('response.output_item.done', { output_index, item });
    return item;
  }

  #closeCustom(): void {
    const input = this.#said();
    this.#emit('response.custom_tool_call_input.delta', { ...this.place, delta: input });
    this.#emit('response.custom_tool_call_input.done', { ...this.place, input });
  }

  /** A model that does not keep to the schema has said its input without it. */
  #said(): string {
    if (this.#identity.kind === 'function') return this.#arguments;
    const value = readJson(this.#arguments);
    const input = isObject(value) ? value[CUSTOM_INPUT] : undefined;
    return typeof input === 'string' ? input : this.#arguments;
  }

  #item(status: ItemStatus | 'in_progress', said: string): JsonObject {
    const { kind, name, namespace } = this.#identity;
    const common = {
      id: this.place.item_id,
      call_id: this.#callId,
      ...(namespace !== undefined && { namespace }),
      name,
    };
    return kind === 'custom'
      ? { type: 'custom_tool_call', ...common, input: said, status }
      : { type: 'function_call', ...common, arguments: said, status };
  }
}
