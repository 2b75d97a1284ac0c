import { errorBody, errorEvent } from '../error-reply.ts';
import type { ErrorStyle } from '../error-style.ts';

/** Chat completions and embeddings. */
export const openaiErrors: ErrorStyle = {
  status: (error) => error.status,
  body: errorBody,
  event: errorEvent,
};
