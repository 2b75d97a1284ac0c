import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newInstanceId } from '@gateway/protocol';
import { openInProcessHub } from '../src/in-process/hub.ts';
import type { InProcessBus } from '../src/in-process/in-process-bus.ts';
import type { BusFixture } from './contract/bus-fixture.ts';
import { busContract } from './contract/contract-suite.ts';

async function openFixture(): Promise<BusFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-bus-'));
  const hub = await openInProcessHub({ directory, freezesValues: true });
  return {
    connect: async (service) => hub.connect({ service, instance: newInstanceId() }),
    kill: async (bus) => (bus as InProcessBus).close(),
    async [Symbol.asyncDispose]() {
      await hub.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

busContract('the in-process bus', openFixture);
