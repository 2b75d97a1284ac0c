/** Gathers what clients, provider, database, stream and Redis hold once a run is quiet. */
import { setTimeout as delay } from 'node:timers/promises';
import { type LedgerEntry, waitFor } from '@gateway/testing';
import { runSql } from '../cluster/audit-rows.ts';
import type { Cluster } from '../cluster/start-cluster.ts';
import type { AttemptRow, JournalEntry, ProviderCall, QuietState, RequestRow } from './history.ts';
import { readJsonLines } from './journal.ts';
import { takenSlots } from './redis-contents.ts';
import { CANARIES } from './workload.ts';

const PAGE_ROWS = 5_000;
const QUIET_INTERVAL_MS = 250;
/** What is quiet must stay so for a while. */
const SETTLED_MS = 1_500;

/** What is not settled yet; everything is 0 when it is quiet. */
export interface Unrest {
  readonly pendingEvents: number;
  readonly storedEvents: number;
  readonly spooledEvents: number;
  readonly unfinishedRows: number;
  readonly takenSlots: number;
}

async function unrestOf(cluster: Cluster): Promise<Unrest> {
  const { pending, stored } = await cluster.bus.backlog();
  const [unfinished] = await cluster.sql(
    'SELECT count(*)::integer AS count FROM requests WHERE finished_at IS NULL',
  );
  return {
    pendingEvents: pending,
    storedEvents: stored,
    spooledEvents: await spooledEvents(cluster),
    unfinishedRows: Number(unfinished?.count),
    takenSlots: await takenSlots(cluster.redis.url),
  };
}

/** As the processes themselves count them. */
async function spooledEvents(cluster: Cluster): Promise<number> {
  const recording = cluster.processes.filter(({ service }) =>
    ['ingress', 'provider-worker', 'audit-writer'].includes(service),
  );
  const counts = await Promise.all(
    recording.map(async (process) => {
      const [, count] = /^gateway_spool_events\S* (\d+)/m.exec(await process.metrics()) ?? [];
      return Number(count ?? 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Waits for quiet; when it does not come in time, what is left is for the checks to judge. */
export async function untilQuiet(cluster: Cluster, timeoutMs: number): Promise<Unrest> {
  let last: Unrest | undefined;
  const isQuiet = async () => {
    last = await unrestOf(cluster);
    return Object.values(last).every((count) => count === 0);
  };
  const options = { what: 'quiet', timeoutMs, intervalMs: QUIET_INTERVAL_MS };
  const settled = await waitFor(isQuiet, options).catch(() => false);
  if (settled) await delay(SETTLED_MS);
  return unrestOf(cluster).catch((error: unknown) => {
    if (last === undefined) throw error;
    return last;
  });
}

export async function quietState(
  cluster: Cluster,
  { pendingEvents, storedEvents, spooledEvents: spooled, takenSlots: slots }: Unrest,
): Promise<QuietState> {
  const { quarantined } = await cluster.bus.backlog();
  return {
    pendingEvents,
    storedEvents,
    spooledEvents: spooled,
    takenSlots: slots,
    quarantinedEvents: quarantined,
  };
}

/** The provider's own account, from the file of its ledger. */
export async function readCalls(ledgerFile: string): Promise<ProviderCall[]> {
  const entries = await readJsonLines<LedgerEntry>(ledgerFile);
  return entries
    .filter(({ headers }) => headers['x-gateway-request-id'] !== undefined)
    .map((entry) => ({
      id: entry.id,
      at: Date.parse(entry.time),
      vendor: entry.vendor,
      model: entry.model ?? '',
      requestId: entry.headers['x-gateway-request-id'] ?? '',
      ...(entry.answerId !== undefined && { answerId: entry.answerId }),
      ...(entry.status !== undefined && { status: entry.status }),
      ...(entry.usage !== undefined && {
        usage: { input: entry.usage.input, output: entry.usage.output },
      }),
      text: entry.text ?? '',
      ...(entry.lastWriteTime !== undefined && { lastWriteAt: Date.parse(entry.lastWriteTime) }),
      endedAt: Date.parse(entry.endTime ?? entry.time),
      ended: entry.ended,
    }));
}

export function readJournal(file: string): Promise<JournalEntry[]> {
  return readJsonLines<JournalEntry>(file);
}

type Columns = Readonly<Record<string, string | number | boolean | null>>;

/** Every row with its attempts, from the tables themselves. */
export async function readRequestRows(url: string): Promise<RequestRow[]> {
  const attempts = await allRows(url, 'attempts', 'request_id, attempt');
  const byRequest = Map.groupBy(attempts, ({ request_id: id }) => String(id));
  const requests = await allRows(url, 'requests', 'request_id');
  return requests.map((columns) => {
    const requestId = String(columns.request_id);
    const own = byRequest.get(requestId) ?? [];
    const text = JSON.stringify([columns, own]);
    return {
      requestId,
      nonce: String(columns.user_agent).replace(/^torture\//, ''),
      tenant: String(columns.tenant),
      keyId: String(columns.key_id),
      isReceived: columns.deadline_at !== null,
      status: columns.status as number | null,
      ended: columns.ended as string | null,
      errorCode: columns.error_code as string | null,
      attemptCount: columns.finished_attempts as number | null,
      finishedAssumed: columns.finished_assumed === true,
      attempts: own.map(attemptRow),
      canaries: Object.values(CANARIES).filter((canary) => text.includes(canary)),
    };
  });
}

function attemptRow(columns: Columns): AttemptRow {
  return {
    attempt: Number(columns.attempt),
    provider: String(columns.provider),
    model: String(columns.model),
    upstreamStatus: columns.upstream_status as number | null,
    upstreamRequestId: columns.upstream_request_id as string | null,
    errorCode: columns.error_code as string | null,
    inputTokens: Number(columns.input_tokens),
    outputTokens: Number(columns.output_tokens),
    usageSource: String(columns.usage_source),
    assumed: columns.assumed === true,
  };
}

/** In pages, since a statement has some seconds only. */
async function allRows(
  url: string,
  table: 'requests' | 'attempts',
  order: string,
): Promise<Columns[]> {
  const rows: Columns[] = [];
  for (let page: Columns[] = []; ; ) {
    const last = rows.at(-1);
    const after = last === undefined ? '' : `WHERE (${order}) > (${placesOf(order)})`;
    const values = last === undefined ? [] : order.split(', ').map((column) => last[column]);
    const statement = `SELECT * FROM ${table} ${after} ORDER BY ${order} LIMIT ${PAGE_ROWS}`;
    page = await runSql<Columns>(url, statement, values);
    rows.push(...page);
    if (page.length < PAGE_ROWS) return rows;
  }
}

function placesOf(order: string): string {
  return order
    .split(', ')
    .map((column, index) => `$${index + 1}::${column === 'attempt' ? 'integer' : 'uuid'}`)
    .join(', ');
}
