/** What the figures were measured on. */
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { median } from './percentiles.ts';

const SYNCS = 50;
const SYNCED_BYTES = 4_096;
const GIBIBYTE = 1024 ** 3;

export interface Machine {
  readonly processors: string;
  readonly memory: string;
  readonly kernel: string;
  readonly node: string;
  /** Until 4 KiB written to where the data of the gateways is are on the disk. */
  readonly syncMs: number;
  /** Processes that wanted to run in the minute before. */
  readonly loadBefore: number;
  readonly date: string;
}

export function describeMachine(): Machine {
  const all = cpus();
  return {
    processors: `${all.length} × ${all[0]?.model ?? 'unknown'}`,
    memory: `${(totalmem() / GIBIBYTE).toFixed(0)} GiB`,
    kernel: `Linux ${release()}`,
    node: process.version,
    syncMs: medianSyncMs(),
    loadBefore: loadavg()[0] ?? 0,
    date: new Date().toISOString().slice(0, 10),
  };
}

function medianSyncMs(): number {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-sync-'));
  try {
    const file = openSync(join(directory, 'file'), 'w');
    const bytes = Buffer.alloc(SYNCED_BYTES, 1);
    const times = Array.from({ length: SYNCS }, () => {
      const startedAt = performance.now();
      writeSync(file, bytes);
      fdatasyncSync(file);
      return performance.now() - startedAt;
    });
    return median(times);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
