import type { SpokenDialects } from '@gateway/dialects';
import type { ProviderModel } from './provider.ts';

export interface ModelPage {
  readonly models: readonly ProviderModel[];
  /** Where the list goes on. */
  readonly nextPath?: string;
}

/** What is particular to one kind of provider. */
export interface HttpProviderKind {
  readonly dialects: SpokenDialects;
  /** The vendor's own address; a kind without one needs a base URL. */
  readonly baseUrl?: string;
  readonly needsCredential: boolean;
  /** Headers that a request may say otherwise. */
  readonly defaultHeaders?: Readonly<Record<string, string>>;
  /** Headers of every request, which carry the credential. */
  headers(credential: string | undefined): Readonly<Record<string, string>>;
  readonly modelsPath: string;
  /** Throws when the value is not a page of models. */
  readModels(page: unknown): ModelPage;
}
