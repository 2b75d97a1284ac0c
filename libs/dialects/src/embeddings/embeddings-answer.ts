/** An answer with embeddings on its way from one dialect to another. */
export interface EmbeddingsAnswer {
  readonly model: string;
  /** In the order of the inputs. */
  readonly vectors: readonly (readonly number[])[];
}
