import { expect, test } from 'vitest';
import { attempted } from '../../tests/contract/sample-messages.ts';
import { started } from '../../tests/outgoing-call-fixture.ts';
import { encodeEnd } from '../calls/call-messages.ts';
import { HEARD_MAX, PackAcknowledgements } from './pack-acknowledgements.ts';

function listener() {
  const heard: boolean[] = [];
  return { heard, acknowledged: (stored: boolean) => void heard.push(stored) };
}

test('every call that waits hears once what became of its message', () => {
  const acknowledgements = new PackAcknowledgements();
  const [first, second, other] = [listener(), listener(), listener()];
  acknowledgements.wait('w.1', first);
  acknowledgements.wait('w.1', second);
  acknowledgements.wait('w.2', other);
  acknowledgements.heard('w.1', true);
  acknowledgements.heard('w.1', true);
  acknowledgements.heard('w.2', false);
  expect([first, second, other].map(({ heard }) => heard)).toEqual([[true], [true], [false]]);
});

test('a call that no longer waits hears nothing, and the others do', () => {
  const acknowledgements = new PackAcknowledgements();
  const [gone, waiting] = [listener(), listener()];
  const callOff = acknowledgements.wait('w.1', gone);
  acknowledgements.wait('w.1', waiting);
  callOff();
  acknowledgements.heard('w.1', true);
  expect([gone.heard, waiting.heard]).toEqual([[], [true]]);
});

test('what was heard before the call asks is remembered, of the last messages', () => {
  const acknowledgements = new PackAcknowledgements();
  for (let number = 0; number <= HEARD_MAX; number += 1) {
    acknowledgements.heard(`w.${number}`, true);
  }
  const [forgotten, oldest] = [listener(), listener()];
  acknowledgements.wait('w.0', forgotten);
  acknowledgements.wait('w.1', oldest);
  expect([forgotten.heard, oldest.heard]).toEqual([[], [true]]);
});

test('a call asks for the message that its end names', () => {
  const call = started();
  call.stream();
  call.receive('end', encodeEnd(attempted('01890a5d-ac96-774b-bcce-b302099a8057', 2), 'w.7'));
  expect(call.packs).toEqual(['w.7']);
});
