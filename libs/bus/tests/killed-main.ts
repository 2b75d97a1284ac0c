/** A process of its own for tests that kill it: `node killed-main.ts <what> <directory>`. */
import { writeSync } from 'node:fs';
import { consumers, newInstanceId } from '@gateway/protocol';
import { openInProcessHub } from '../src/in-process/hub.ts';
import { lockDirectory } from '../src/log/directory-lock.ts';
import { controlEvent } from './contract/sample-messages.ts';

const [, , what, directory = ''] = process.argv;
const IN_FLIGHT = 16;

/** Unlike a stream, out of the process when it returns. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function publish(): Promise<void> {
  const hub = await openInProcessHub({ directory });
  const bus = hub.connect({ service: 'ingress', instance: newInstanceId() });
  const one = async () => {
    for (;;) {
      const event = controlEvent();
      await bus.publish(event);
      say(event.changeId);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

async function consume(): Promise<void> {
  const hub = await openInProcessHub({ directory });
  const bus = hub.connect({ service: 'audit-writer', instance: newInstanceId() });
  await bus.consume(
    consumers.auditWriter,
    async (batch) => {
      for (const delivery of batch) {
        say((delivery.value as { changeId: string }).changeId);
        delivery.acknowledge();
      }
      // One batch a turn of the disk, so that the parent can kill it in between.
      await bus.publish(controlEvent('00000000-0000-4000-8000-000000000000'));
    },
    { batchMax: 10, lingerMs: 0 },
  );
}

/** The shell that started it allows files of 32 KiB. */
async function fillDisk(): Promise<void> {
  const hub = await openInProcessHub({ directory });
  const bus = hub.connect({ service: 'ingress', instance: newInstanceId() });
  for (;;) {
    try {
      await bus.publish({ ...controlEvent(), actorKeyId: 'x'.repeat(9000) });
      say('stored');
    } catch (error) {
      const { code, facts } = error as { code: string; facts: { detail: string } };
      say(`${code}: ${facts.detail}; outage: ${bus.outage}`);
      break;
    }
  }
  await bus.publish(controlEvent());
  say(`stored a smaller one; outage: ${bus.outage}`);
  await hub.close();
}

async function holdLock(): Promise<void> {
  try {
    await lockDirectory(directory, 'GATEWAY_DATA_DIR');
    say('locked');
    setInterval(() => {}, 60_000);
  } catch (error) {
    say(String(error));
  }
}

const tasks: Record<string, () => Promise<void>> = {
  publish,
  consume,
  'fill-disk': fillDisk,
  'hold-lock': holdLock,
};
await tasks[what ?? '']?.();
