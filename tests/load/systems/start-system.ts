import { startBareBus } from './bare-bus.ts';
import { startBareProxy } from './bare-proxy.ts';
import { startEmbedded } from './embedded.ts';
import { startPortkey } from './portkey.ts';
import { startStackSystem } from './stack.ts';
import { CHAT_PATH, type RunningSystem, type SystemName, type SystemOptions } from './system.ts';

export async function startSystem(
  name: SystemName,
  options: SystemOptions,
): Promise<RunningSystem> {
  switch (name) {
    case 'direct':
      return {
        port: options.upstreamPort,
        path: CHAT_PATH,
        headers: {},
        parts: {},
        [Symbol.asyncDispose]: async () => {},
      };
    case 'bare':
      return startBareProxy(options);
    case 'bare-bus':
      return startBareBus(options);
    case 'embedded':
      return startEmbedded(options);
    case 'portkey':
      return startPortkey(options);
    case 'stack':
    case 'stack-synced':
      return startStackSystem({ ...options, isSynced: name === 'stack-synced' });
  }
}
