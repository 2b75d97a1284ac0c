export {
  ANSWER_BYTES_MAX,
  ERROR_BODY_BYTES_MAX,
  MODELS_MAX,
  type Provider,
  type ProviderAnswer,
  type ProviderModel,
  type SendOptions,
} from './provider.ts';
export { openProvider, type ProviderSettings } from './registry.ts';
export type { StopSignal } from './stop-signal.ts';
