import { errorBody } from '../error-reply.ts';
import type { ErrorStyle } from '../error-style.ts';

/**
 * OpenAI's, but for the event: the specification has it flat, OpenAI sends it nested, and clients
 * read either. Nobody here has counted the events, so that its number is none of theirs.
 */
export const responsesErrors: ErrorStyle = {
  status: (error) => error.status,
  body: errorBody,
  event: (error) => {
    const { error: said } = errorBody(error);
    const { code, message, param } = said;
    const event = { type: 'error', sequence_number: 0, code, message, param, error: said };
    return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
  },
};
