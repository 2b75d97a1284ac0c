import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const CLIENTS = 60;
/** What a process may open beyond what it has open. */
const SPARE = 20;

// A connection that could not be opened is an attempt of which the provider knows nothing.
const cluster = useCluster({ unheardAttempts: true });

function limitFiles(pid: number, count: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`]);
}

test.each(['ingress', 'provider-worker'] as const)(
  '%s without file descriptors refuses or is waited for, and recovers',
  async (service) => {
    const { ask, process } = cluster();
    expect((await ask()).status).toBe(200);
    const { pid } = process(`${service}-1`).node;
    const open = readdirSync(`/proc/${pid}/fd`).length;
    limitFiles(pid, open + SPARE);
    const asked = Array.from({ length: CLIENTS }, () =>
      ask({ text: 'sim:delay=300ms', timeoutMs: 15_000 }),
    );
    const answers = await Promise.all(asked);
    limitFiles(pid, 20_000);
    const answered = answers.filter(({ status }) => status === 200);
    expect(answered.length).toBeGreaterThan(0);
    for (const { end } of answers) expect(['whole', 'unreachable', 'left', 'cut']).toContain(end);
    expect(process(`${service}-1`).node.pid).toBe(pid);
    await waitFor(async () => (await ask()).status === 200, { what: 'requests to be served' });
  },
);
