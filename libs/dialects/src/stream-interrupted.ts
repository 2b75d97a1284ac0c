import { GatewayError } from '@gateway/protocol';

/** The provider's bytes ended before the provider said that its answer is complete. */
export function interrupted(): GatewayError {
  return new GatewayError(
    'stream_interrupted',
    'The provider ended its answer before it was complete.',
  );
}
