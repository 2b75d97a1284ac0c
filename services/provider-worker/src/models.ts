import type { Message } from '@gateway/bus';
import type { ModelsReply, ModelsRequest } from '@gateway/protocol';
import type { ProviderDirectory } from './provider-directory.ts';

/** Asks a provider what it offers. `signal` ends what still runs when the worker stops. */
export async function listModels(
  provider: string,
  request: ModelsRequest,
  directory: ProviderDirectory,
  signal: AbortSignal,
): Promise<Message<ModelsReply>> {
  const found = directory.find(request.configurationRevision, provider);
  return { value: { models: [...(await found.listModels(signal))] } };
}
