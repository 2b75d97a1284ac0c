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

const BACKLOG_POLL_MS = 20;
const TRY_AGAIN_MS = 500;

export interface PastAdmissionsOptions {
  readonly audit: AuditWriter;
  /** Whether the ledger has never been written to. */
  readonly isLedgerNew: boolean;
  readonly bus: Bus;
  readonly configuration: Pick<Configuration, 'keyLimit'>;
  readonly keys: readonly Pick<KeyRecord, 'limit'>[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Resolves with what counts in the longest window of any key, once the ledger can be read; at once where
 * no key is limited or nothing was ever recorded, and with nothing when the signal aborts.
 */
export async function loadPastAdmissions(
  options: PastAdmissionsOptions,
): Promise<readonly PastAdmissions[]> {
  const { bus, configuration, isLedgerNew, keys, logger, signal } = options;
  const windows = [configuration.keyLimit, ...keys.map(({ limit }) => limit)].map(
    (limit) => limit?.windowSeconds ?? 0,
  );
  const longestMs = Math.max(0, ...windows) * 1000;
  if (longestMs === 0) return [];
  if (isLedgerNew && (await backlog(bus)) === 0) return [];
  const sinceMs = Date.now() - longestMs;
  while (!signal.aborted) {
    try {
      return await readLedger(options, sinceMs);
    } catch (error) {
      if (signal.aborted) break;
      logger.warn({ error }, 'the ledger cannot be read, requests with a limit are refused');
      await sleep(TRY_AGAIN_MS, undefined, { signal }).catch(() => {});
    }
  }
  return [];
}

async function readLedger(
  { audit, bus, signal }: PastAdmissionsOptions,
  sinceMs: number,
): Promise<readonly PastAdmissions[]> {
  // Also what a killed process had recorded and not yet written to the database.
  while ((await backlog(bus)) > 0) await sleep(BACKLOG_POLL_MS, undefined, { signal });
  const admissions = await audit.recentAdmissions(sinceMs);
  return admissions.map(({ keyId, at }) => ({ scope: `key:${keyId}`, atMs: at, requests: 1 }));
}

async function backlog(bus: Bus): Promise<number> {
  return (await bus.backlog(consumers.auditWriter)).pending;
}
