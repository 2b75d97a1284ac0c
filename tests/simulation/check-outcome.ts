/** What must be true once everything is mended and quiet, whatever went wrong before. */
import { isDeepStrictEqual } from 'node:util';
import type { AuditRow } from '@gateway/protocol';
import { auditRowOf, type RequestState } from '../../services/audit-writer/src/row.ts';
import type { Random } from '../torture/seeded-random.ts';
import { statesIn } from './audit-writer-process.ts';
import { type ReadAnswer, readAnswer } from './client-connection.ts';
import type { Gateway, JournalEntry } from './gateway.ts';
import type { LedgerCall } from './simulated-provider.ts';

/** After the deadline the ingress gives a client so long to take the rest. */
const LAST_BYTES_MS = 10_000;

export function checkOutcome(gateway: Gateway): void {
  const rows = new Map([...gateway.table].map(([id, state]) => [id, auditRowOf(state)]));
  const violate = gateway.violated;
  for (const entry of gateway.journal) {
    const row = rows.get(entry.requestId);
    const calls = gateway.providers.ledger.filter((call) => call.requestId === entry.requestId);
    const about = (what: string) => violate(`${entry.requestId}: ${what}`);
    checkRow(entry, row, calls, about);
    checkAnswer(entry, calls, about);
    if (row) checkAttempts(gateway, row, calls, about);
  }
  for (const id of rows.keys()) {
    if (gateway.journal.every(({ requestId }) => requestId !== id)) violate(`${id}: phantom row`);
  }
  checkQuiet(gateway);
  checkReducer(gateway);
}

type Complain = (what: string) => void;

function checkRow(
  entry: JournalEntry,
  row: AuditRow | undefined,
  calls: readonly LedgerCall[],
  about: Complain,
): void {
  const { status } = entry.connection;
  if (row === undefined) {
    if (calls.length > 0) about('a paid request has no row');
    else if (status !== undefined && !saysUnrecorded(entry)) about(`no row, answered ${status}`);
    else if (!entry.ingressDied && !saysUnrecorded(entry)) about('no row, and its ingress lives');
    return;
  }
  if (row.status === null) about('the row has no end');
  else if (entry.ingressDied) return;
  else if (row.ended === 'abandoned') about('the end is assumed although its ingress lives');
  else if (status !== undefined && status !== row.status && entry.connection.end_ !== 'left') {
    about(`the row says ${row.status}, the client was told ${status}`);
  }
}

function saysUnrecorded({ connection }: JournalEntry): boolean {
  return connection.status === 503 && connection.text.includes('could not be recorded');
}

function checkAnswer(entry: JournalEntry, calls: readonly LedgerCall[], about: Complain): void {
  const { connection, stream } = entry;
  const { end_: end, status, text } = connection;
  if (end === 'open') {
    about('the client has no answer');
    return;
  }
  if (status === undefined) {
    if (end === 'whole' || (end === 'broken' && !wasCutOff(entry)))
      about('no status, and no fault');
    return;
  }
  if (status !== 200) {
    if (end === 'whole' && !text.includes('"error"')) about('a refusal that says no error');
    return;
  }
  if (!stream && end !== 'whole') return;
  const answer = readAnswer(text, stream);
  const heard = new Set(answer.content.match(/c\d+(?=:)/g));
  if (heard.size > 1) {
    about(`bytes of several calls: ${answer.content}`);
    return;
  }
  const [id] = heard;
  const call = calls.find((one) => one.id === id);
  if (id !== undefined && call === undefined) {
    about(`bytes of a call that is not its own`);
    return;
  }
  checkContent(answer, call, entry, about);
}

function checkContent(
  answer: ReadAnswer,
  call: LedgerCall | undefined,
  entry: JournalEntry,
  about: Complain,
): void {
  const { end_: end } = entry.connection;
  const whole = call?.text ?? '';
  if (!whole.startsWith(answer.content)) about(`not what was said: ${answer.content}`);
  if (end === 'whole' && (call === undefined || answer.content !== whole || !answer.isComplete)) {
    about(`a clean end after "${answer.content}" of "${whole}"`);
  }
  if (answer.isComplete && answer.content !== whole) about('a part is said to be the whole');
  if (end === 'broken' && !wasCutOff(entry) && answer.error === undefined) {
    about('a stream broke off without an error');
  }
}

/** The ingress died, or stood still for so long that what it had to say was cut off. */
function wasCutOff({ connection, deadlineAt, ingressDied }: JournalEntry): boolean {
  return ingressDied || connection.endedAt > deadlineAt + LAST_BYTES_MS;
}

/** Every call is one attempt of the row: by the provider's id, or one that says less. */
function checkAttempts(
  { log, table }: Gateway,
  row: AuditRow,
  calls: readonly LedgerCall[],
  about: Complain,
): void {
  const details = table.get(row.request_id)?.attempts ?? [];
  const named = new Map(
    details.flatMap((one) => (one.upstream_request_id ? [[one.upstream_request_id, one]] : [])),
  );
  const nameless = details.filter((one) => one.upstream_request_id === null);
  for (const [id] of named) {
    if (!calls.some((call) => call.id === id)) about(`an attempt names ${id}, no call of its own`);
  }
  if (named.size + nameless.length !== details.length) about('two attempts name one call');
  const unnamed = calls.filter((call) => !named.has(call.id));
  if (unnamed.length > nameless.length) {
    about(`${calls.length} calls, ${details.length} attempts, ${named.size} of them by name`);
  }
  for (const call of calls) {
    const detail = named.get(call.id);
    if (detail?.usage_source !== 'provider') continue;
    const { input, output } = call.usage;
    if (detail.input_tokens !== input || detail.output_tokens !== output) {
      about(`the usage of ${call.id} is not the provider's`);
    }
  }
  for (const detail of details) {
    if (detail.assumed && log.isStored(`${row.request_id}:attempted:${detail.attempt}`)) {
      about(`attempt ${detail.attempt} is assumed although the true one is known`);
    }
  }
  if (row.attempts !== details.length) about(`${row.attempts} attempts, ${details.length} known`);
}

function checkQuiet({ log, machines, violated, openWindows }: Gateway): void {
  if (log.pending > 0) violated(`${log.pending} events are not settled`);
  for (const { name, spooled } of machines) {
    if (spooled > 0) violated(`${spooled} events wait in the spool of ${name}`);
  }
  const windowBytes = openWindows();
  if (windowBytes !== 0) violated(`${windowBytes} bytes of windows are still open`);
}

/** Any order and any repetition of the events gives the row that was written. */
function checkReducer({ log, table, merge, time, violated }: Gateway): void {
  const states = new Map<string, RequestState[]>();
  for (const { data } of log.messages) {
    for (const state of statesIn(data, 1)) {
      if (state) states.set(state.requestId, [...(states.get(state.requestId) ?? []), state]);
    }
  }
  for (const [id, all] of states) {
    const shuffled = shuffle([...all, time.random.pick(all)], time.random);
    const merged = shuffled.reduce(merge);
    const written = table.get(id);
    if (written === undefined) violated(`${id}: its events were never written`);
    else if (!isDeepStrictEqual(auditRowOf(merged), auditRowOf(written))) {
      violated(`${id}: another order of its events gives another row`);
    }
  }
}

function shuffle<Item>(items: Item[], random: Random): Item[] {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = random.integer(0, last);
    [items[last], items[other]] = [items[other] as Item, items[last] as Item];
  }
  return items;
}

/** Nothing runs any more, so every slot is free. */
export async function checkSlots({ limiter, time, violated }: Gateway): Promise<void> {
  const requestId = requestIdAt(time.now, time.random);
  const limits = [{ scope: 'key:slotted', kind: 'concurrency', amount: 1 }] as const;
  const { allowed } = await limiter.reserve({ requestId, limits: [...limits] });
  if (!allowed) violated('a slot is still taken');
}

/** A UUID of version 7. */
export function requestIdAt(nowMs: number, random: Random): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, '0');
  const digits = (count: number) =>
    Array.from({ length: count }, () => random.integer(0, 15).toString(16)).join('');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${digits(3)}-8${digits(3)}-${digits(12)}`;
}
