import type { Message } from '@gateway/bus';
import { openStateCall, responseNotFound } from '@gateway/dialects';
import {
  KEPT_RESPONSE_BYTES_MAX,
  type KeptResponseReply,
  type KeptResponseRequest,
  type Timeouts,
} from '@gateway/protocol';
import { ERROR_BODY_BYTES_MAX } from '@gateway/providers';
import type { ProviderDirectory } from './provider-directory.ts';

/** The ingress waits a little longer than the whole of it. */
const TIMEOUTS: Timeouts = {
  connectMs: 3_000,
  firstByteMs: 8_000,
  idleMs: 5_000,
  totalMs: 10_000,
};

/**
 * Reads or deletes a response that a provider keeps. `signal` ends what still runs when the worker
 * stops. Throws `not_found` where nothing is kept under the id.
 */
export async function callForKeptResponse(
  provider: string,
  request: KeptResponseRequest,
  directory: ProviderDirectory,
  signal: AbortSignal,
): Promise<Message<KeptResponseReply>> {
  const { action, id, query, requestId, stateKey } = request;
  const found = directory.find(request.configurationRevision, provider);
  if (!found.dialects.includes('responses')) throw responseNotFound();
  const call = openStateCall({ action, id, query, state: { key: stateKey, provider } });
  const answer = await found.send(call.request, {
    requestId,
    stream: false,
    timeouts: TIMEOUTS,
    signal,
  });
  if (answer.status < 200 || answer.status >= 300) {
    const body = await answer.readStart(ERROR_BODY_BYTES_MAX);
    throw call.error(answer.status, answer.headers, body);
  }
  const body = call.answer(await answer.readAll(KEPT_RESPONSE_BYTES_MAX));
  return { value: { contentType: 'application/json' }, body };
}
