/**
 * Frames as the two halves of a call make and read them. Between processes their content is encoded; in
 * one process it is handed over as it is.
 */
import type { Check, Frame, FrameType } from '@gateway/protocol';
import {
  decodeAccepted,
  decodeEnd,
  decodeFailure,
  decodeJson,
  type End,
  encodeAccepted,
  encodeEnd,
  encodeFailure,
  encodeJson,
  type Failure,
} from './call-messages.ts';

/** What a frame of each type says. */
export interface FrameContents<Head> {
  /** Instance of the worker. */
  readonly accepted: string;
  readonly head: Head;
  readonly data: Uint8Array;
  readonly end: End;
  readonly error: Failure;
}

/** Numbered as in `Frame` of the protocol. */
export type CallFrame<Head = unknown> = {
  readonly [Type in FrameType]: {
    readonly type: Type;
    readonly attempt: number;
    readonly sequence: number;
    readonly content: FrameContents<Head>[Type];
  };
}[FrameType];

/** For a wire. */
export function encodeFrame(frame: CallFrame): Frame {
  const { type, attempt, sequence } = frame;
  return { type, attempt, sequence, payload: encodeContent(frame) };
}

function encodeContent(frame: CallFrame): Uint8Array {
  switch (frame.type) {
    case 'accepted':
      return encodeAccepted(frame.content);
    case 'head':
      return encodeJson(frame.content);
    case 'data':
      return frame.content;
    case 'end':
      return encodeEnd(frame.content.event, frame.content.pack, frame.content.json);
    case 'error':
      return encodeFailure(frame.content.error, frame.content.event, frame.content.pack);
  }
}

/** Throws what the parser or a schema throws. The content of data is the payload itself. */
export function decodeFrame<Head>(frame: Frame, head: Check<Head>): CallFrame<Head> {
  const { type, attempt, sequence, payload } = frame;
  switch (type) {
    case 'accepted':
      return { type, attempt, sequence, content: decodeAccepted(frame) };
    case 'head':
      return { type, attempt, sequence, content: decodeJson(head, payload) };
    case 'data':
      return { type, attempt, sequence, content: payload };
    case 'end':
      return { type, attempt, sequence, content: decodeEnd(frame) };
    case 'error':
      return { type, attempt, sequence, content: decodeFailure(frame) };
  }
}
