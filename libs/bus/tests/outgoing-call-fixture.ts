/** The caller's half of a call over a transport that is a list. */
import {
  type AttemptedEvent,
  type Frame,
  type FrameType,
  inferenceEndpoint,
} from '@gateway/protocol';
import { type ControlMessage, encodeAccepted, encodeJson } from '../src/calls/call-messages.ts';
import { OutgoingCallMachine } from '../src/calls/outgoing-call.ts';
import { WindowPool } from '../src/calls/window-pool.ts';
import { attempted, collect, HEAD } from './contract/sample-messages.ts';
import { ManualClock } from './manual-clock.ts';

export const requestId = '01890a5d-ac96-774b-bcce-b302099a8057';
export const event = attempted(requestId);

export function started(
  record: (event: AttemptedEvent) => Promise<void> = () => Promise.resolve(),
  windows = new WindowPool(),
) {
  const clock = new ManualClock();
  const windowBytes = windows.open();
  const control: { worker: string; message: ControlMessage }[] = [];
  const recorded: AttemptedEvent[] = [];
  const packs: string[] = [];
  let closed = 0;
  const machine = new OutgoingCallMachine({
    head: inferenceEndpoint('demo').head,
    requestId,
    attempt: 2,
    deadlineAt: clock.now() + 60_000,
    windowBytes,
    windows,
    clock,
    port: {
      sendControl: (worker, message) => control.push({ worker, message }),
      record: (one) => {
        recorded.push(one);
        return record(one);
      },
      awaitPack: (pack) => void packs.push(pack),
      accepted: () => {},
      closed: () => {
        closed += 1;
      },
    },
  });
  let sequence = 0;
  const receive = (type: FrameType, payload: Uint8Array, over: Partial<Frame> = {}) => {
    machine.receive({ type, attempt: 2, sequence, payload, ...over });
    sequence += 1;
  };
  const accept = () => receive('accepted', encodeAccepted('w1'));
  const stream = () => {
    accept();
    receive('head', encodeJson(HEAD));
  };
  const types = async () => (await collect(machine)).map(({ type }) => type);
  const isClosed = () => closed === 1 && clock.pending === 0;
  return {
    ...{
      machine,
      clock,
      windows,
      control,
      recorded,
      packs,
      receive,
      accept,
      stream,
      types,
      isClosed,
    },
  };
}

export const data = (bytes: number) => new Uint8Array(bytes);
