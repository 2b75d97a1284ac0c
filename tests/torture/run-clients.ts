/** Clients that ask one request after the other, each at its own pace, until the run is over. */
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, type ClientKey, type Ingress } from './ask.ts';
import type { JournalEntry } from './history.ts';
import type { Journal } from './journal.ts';
import { seededRandom } from './seeded-random.ts';
import { plannedRequest } from './workload.ts';

/** A client that nobody took does not hammer. */
const UNREACHABLE_PAUSE_MS = 100;

export interface ClientsOptions {
  readonly seed: number;
  readonly clients: number;
  /** Requests in a second, all clients together, when they are answered fast. */
  readonly rate: number;
  /** No further request is begun after so many. */
  readonly requestsMax: number;
  /** Ends the run; requests that are on their way are waited for. */
  readonly signal: AbortSignal;
  /** A key for each client, by its number. */
  readonly keys: readonly ClientKey[];
  readonly ingresses: readonly Ingress[];
  readonly journal: Journal;
  readonly onEnded: (entry: JournalEntry) => void;
}

/** Resolves when every client has its last answer in the journal. */
export async function runClients(options: ClientsOptions): Promise<void> {
  let begun = 0;
  const mayBegin = () => !options.signal.aborted && begun < options.requestsMax;
  const run = async (client: number, key: ClientKey) => {
    const agent = new Agent({ keepAlive: true });
    const pace = seededRandom(options.seed, 'pace', client);
    const meanGapMs = (1_000 * options.clients) / options.rate;
    try {
      for (let counter = 1; mayBegin(); counter += 1) {
        begun += 1;
        const nextAt = performance.now() + pace.exponential(meanGapMs);
        const planned = plannedRequest(options.seed, client, counter, key.tenant);
        const { ingresses } = options;
        const ingress = ingresses[Math.floor(planned.ingressShare * ingresses.length)];
        if (ingress === undefined) throw new Error('there is no ingress');
        const entry = await ask(planned, { ingress, key, agent });
        await options.journal.append(entry);
        options.onEnded(entry);
        const least = entry.end === 'unreachable' ? UNREACHABLE_PAUSE_MS : 0;
        await pause(Math.max(least, nextAt - performance.now()), options.signal);
      }
    } finally {
      agent.destroy();
    }
  };
  await Promise.all(
    Array.from({ length: options.clients }, (_, client) => {
      const key = options.keys[client];
      if (key === undefined) throw new Error(`client ${client} has no key`);
      return run(client, key);
    }),
  );
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  if (durationMs <= 0) return;
  await delay(durationMs, undefined, { signal }).catch(() => undefined);
}
