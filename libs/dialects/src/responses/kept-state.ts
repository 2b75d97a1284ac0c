/**
 * A response of a provider with the ids that its client knows. Everything else stays as it came,
 * byte for byte.
 */
import { badAnswer } from '../chat/read-answer.ts';
import { isObject, readJson } from '../json/read-json.ts';
import { scanJsonObject } from '../json/scan-json.ts';
import { type MemberEdit, spliceMembers } from '../json/splice-members.ts';
import {
  openResponseId,
  previousResponseNotFound,
  type StateOptions,
  sealResponseId,
} from './response-id.ts';

export class KeptState {
  readonly #options: StateOptions;

  constructor(options: StateOptions) {
    this.#options = options;
  }

  /** The provider's id of a response that the client names. Throws `invalid_request`. */
  open(id: string): string {
    const { key, provider } = this.#options;
    const kept = openResponseId(key, id);
    if (kept?.provider !== provider) throw previousResponseNotFound();
    return kept.id;
  }

  /** The bytes of a response, or of the note that it was deleted. */
  sealResponse(bytes: Uint8Array): Uint8Array {
    return splice(bytes, { id: this.#seal, previous_response_id: this.#seal });
  }

  /** The data of an event that holds a response. */
  sealEvent(data: string): string {
    const bytes = new TextEncoder().encode(data);
    const edit: MemberEdit = (present) => {
      if (present === undefined || !isObject(readJson(present))) return undefined;
      return new TextDecoder().decode(this.sealResponse(new TextEncoder().encode(present)));
    };
    return new TextDecoder().decode(splice(bytes, { response: edit }));
  }

  readonly #seal: MemberEdit = (present) => {
    const id = readJson(present);
    if (typeof id !== 'string' || id === '') return undefined;
    return JSON.stringify(sealResponseId(this.#options.key, { ...this.#options, id }));
  };
}

/** What the scanner says of a client's request would be wrong of a provider's answer. */
function splice(bytes: Uint8Array, edits: Readonly<Record<string, MemberEdit>>): Uint8Array {
  try {
    scanJsonObject(bytes);
  } catch {
    throw badAnswer('the response is not an object within the bounds');
  }
  return spliceMembers(bytes, edits);
}
