/**
 * A quick yes for the events that nearly all of a stream are: what a block begins with, and what is
 * added to it. It accepts nothing that the schema (`messages-api.ts`) refuses or would change, and
 * leaves the rest to it.
 */
import { isCount, isIndex, isList, isText } from '../json/plain-values.ts';
import { isObject } from '../json/read-json.ts';
import type { ApiEvent } from './messages-api.ts';

export function isPlainApiEvent(value: unknown): value is ApiEvent {
  return (
    isObject(value) &&
    typeof value.type === 'string' &&
    isIndex(value.index) &&
    value.message == null &&
    isPlainBlock(value.content_block) &&
    isPlainDelta(value.delta) &&
    isPlainUsage(value.usage)
  );
}

function isPlainBlock(value: unknown): boolean {
  if (value == null) return true;
  return (
    isObject(value) &&
    typeof value.type === 'string' &&
    isText(value.text) &&
    isText(value.thinking) &&
    isText(value.signature) &&
    isText(value.data) &&
    isList(value.citations, () => false) &&
    isText(value.id) &&
    isText(value.name)
  );
}

function isPlainDelta(value: unknown): boolean {
  if (value == null) return true;
  return (
    isObject(value) &&
    isText(value.type) &&
    isText(value.text) &&
    isText(value.thinking) &&
    isText(value.signature) &&
    value.citation == null &&
    isText(value.partial_json) &&
    isText(value.stop_reason) &&
    value.stop_details == null
  );
}

function isPlainUsage(value: unknown): boolean {
  if (value == null) return true;
  return (
    isObject(value) &&
    isCount(value.input_tokens) &&
    isCount(value.output_tokens) &&
    isCount(value.cache_read_input_tokens) &&
    isCount(value.cache_creation_input_tokens) &&
    value.output_tokens_details == null
  );
}
