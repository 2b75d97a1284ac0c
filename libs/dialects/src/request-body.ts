import { GatewayError } from '@gateway/protocol';
import { invalidField } from './chat/invalid-field.ts';
import { countNames } from './json/count-names.ts';
import { decodeUtf8, isObject, readJson } from './json/read-json.ts';
import { scanJsonObject } from './json/scan-json.ts';

/**
 * Fields by which clients of other gateways reach for the gateway itself: its address, its
 * settings.
 */
const CONTROL_FIELDS = ['api_base', 'base_url', 'user_config', 'mock_response', 'extra_body'];

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;

/**
 * The JSON value of a client's body, of any dialect. Throws `invalid_request` with the reason
 * `invalid_utf8`, `invalid_json`, `json_too_deep`, `too_many_items`, `duplicate_key` or
 * `invalid_unicode`. No message quotes the request.
 */
export function readRequestBody(body: Uint8Array): unknown {
  const text = decodeUtf8(body);
  if (text === undefined) {
    throw new GatewayError('invalid_request', 'The request body is not valid UTF-8.', {
      reason: 'invalid_utf8',
    });
  }
  const names = countNames(body);
  const value = names === undefined ? undefined : readJson(text);
  // Of two members of one name the value holds one.
  if (isObject(value) && Object.keys(value).length === names) return value;
  scanJsonObject(body);
  return JSON.parse(text);
}

/** Throws `invalid_request` with the reason `unknown_parameter`. */
export function refuseControlFields(value: unknown): void {
  if (!isObject(value)) return;
  const field = CONTROL_FIELDS.find((name) => Object.hasOwn(value, name));
  if (field === undefined) return;
  throw invalidField(field, `Unknown parameter: '${field}'.`, 'unknown_parameter');
}

/** Parameters that no provider is asked for, whatever it speaks, each with the reason. */
export type RefusedParameters = Readonly<Record<string, string>>;

/** Throws `invalid_request` with the reason `unsupported_parameter` for the first that is used. */
export function refuseParameters(request: object, refused: RefusedParameters): void {
  for (const [name, why] of Object.entries(refused)) {
    const value = (request as Readonly<Record<string, unknown>>)[name];
    if (value === undefined || value === null || value === false) continue;
    throw invalidField(name, `Unsupported parameter '${name}': ${why}.`, 'unsupported_parameter');
  }
}

/** A model's name goes into logs, headers and addresses. */
export function checkModelName(model: string): void {
  if (!CONTROL_CHARACTERS.test(model)) return;
  throw invalidField('model', "Invalid 'model': control characters are not allowed.");
}
