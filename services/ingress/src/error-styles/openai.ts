import type { ErrorStyle } from '../client-edge.ts';
import { errorBody, errorEvent } from '../error-reply.ts';

/** Chat completions and embeddings. */
export const openaiErrors: ErrorStyle = {
  status: (error) => error.status,
  body: errorBody,
  event: errorEvent,
};
