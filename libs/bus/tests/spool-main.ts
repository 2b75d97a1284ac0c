/** A process of its own that records events: `node spool-main.ts <url> <directory>`, until it is killed. */
import { writeSync } from 'node:fs';
import { controlEvent } from './contract/sample-messages.ts';
import { connectAs, RECORDED_AT_ONCE, SPOOL_BYTES_MAX } from './nats-fixture.ts';

const [, , url = '', directory = ''] = process.argv;

/** Unlike a stream, out of the process when it returns. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const bus = await connectAs('ingress', url, { directory, bytesMax: SPOOL_BYTES_MAX });

async function recordForEver(): Promise<void> {
  for (;;) {
    const event = controlEvent();
    try {
      await bus.record(event);
    } catch (error) {
      const { code, facts } = error as { code: string; facts: { detail: string } };
      say(`${code}: ${facts.detail}; admits: ${bus.spool.admits}`);
      return;
    }
    say(event.changeId);
  }
}

say('connected');
await Promise.all(Array.from({ length: RECORDED_AT_ONCE }, recordForEver));
