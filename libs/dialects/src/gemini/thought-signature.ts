/**
 * Another vendor's proof of its reasoning on its way through a client of Google, which gives
 * thought signatures back as they are: base64 of the detail as chat completions hold it.
 */
import { type ReasoningDetail, readReasoningDetails } from '../chat/reasoning-details.ts';
import { readJson } from '../json/read-json.ts';

/** A signature of Google's own stays what it is. */
export function signatureOfDetail(detail: ReasoningDetail): string {
  const own = detail.type === 'reasoning.text' ? detail.signature : detail.data;
  if (detail.format === 'google-gemini-v1') return own;
  // The text is in the part that the signature stands in.
  const held = detail.type === 'reasoning.text' ? { ...detail, text: '' } : detail;
  return Buffer.from(JSON.stringify(held)).toString('base64');
}

/** The detail behind a signature. `text` is the thought that was given back with it. */
export function detailOfSignature(signature: string, text: string): ReasoningDetail {
  const value = readJson(Buffer.from(signature, 'base64').toString());
  const [detail] = readReasoningDetails([value]);
  if (detail === undefined) {
    return { type: 'reasoning.encrypted', data: signature, format: 'google-gemini-v1' };
  }
  return detail.type === 'reasoning.text' ? { ...detail, text } : detail;
}
