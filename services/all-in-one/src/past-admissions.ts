/**
 * What the in-memory limiter forgot when the process ended, read back from the ledger, so that a restart
 * gives nobody a second allowance.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditWriter } from '@gateway/audit-writer';
import type { Bus } from '@gateway/bus';
import { type Configuration, consumers, type KeyRecord } from '@gateway/protocol';
import type { PastAdmissions } from '@gateway/rate-limiter';
import type { Logger } from '@gateway/telemetry';

/** A ledger that is not open by then is not waited for: the gateway must be ready in two seconds. */
const LEDGER_TIMEOUT_MS = 1_500;
const BACKLOG_POLL_MS = 20;

export interface PastAdmissionsOptions {
  readonly audit: AuditWriter;
  readonly bus: Bus;
  readonly configuration: Configuration;
  readonly keys: readonly KeyRecord[];
  readonly logger: Logger;
}

/** Resolves with what counts in the longest window of any key; with nothing where no key is limited. */
export async function loadPastAdmissions(
  options: PastAdmissionsOptions,
): Promise<readonly PastAdmissions[]> {
  const windows = [options.configuration.keyLimit, ...options.keys.map(({ limit }) => limit)].map(
    (limit) => limit?.windowSeconds ?? 0,
  );
  const longestMs = Math.max(0, ...windows) * 1000;
  if (longestMs === 0) return [];
  const timeout = new AbortController();
  const expired = sleep(LEDGER_TIMEOUT_MS, 'expired' as const, { signal: timeout.signal });
  try {
    const loaded = await Promise.race([readLedger(options, Date.now() - longestMs), expired]);
    if (loaded !== 'expired') return loaded;
    options.logger.warn('the ledger is not open yet, limits start without what came before');
    return [];
  } finally {
    timeout.abort();
    expired.catch(() => {});
  }
}

async function readLedger(
  { audit, bus }: PastAdmissionsOptions,
  sinceMs: number,
): Promise<readonly PastAdmissions[]> {
  // Also what a killed process had recorded and not yet written to the database.
  while ((await bus.backlog(consumers.auditWriter)).pending > 0) await sleep(BACKLOG_POLL_MS);
  const admissions = await audit.recentAdmissions(sinceMs);
  return admissions.map(({ keyId, at }) => ({ scope: `key:${keyId}`, atMs: at, requests: 1 }));
}
