import type { ProviderRequest, SpokenDialects } from '@gateway/dialects';
import type { ProviderModel } from './provider.ts';
import type { TokenSource } from './token-source.ts';

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
  /**
   * What gives a credential that expires for the configured one; undefined where the configured one
   * is sent itself. Throws `provider_auth_failed` for a credential that cannot be one.
   */
  openTokens?(provider: string, credential: string): TokenSource | undefined;
  /** The request as this vendor wants it. Throws `invalid_request` for what it does not answer. */
  adapt?(request: ProviderRequest): ProviderRequest;
  /** Undefined where the vendor's list is not of what the credential can call. */
  readonly modelsPath: string | undefined;
  /** Throws when the value is not a page of models. */
  readModels(page: unknown): ModelPage;
}
