/** How each service begins in a process of its machine: the product's own functions on the bus. */
import {
  inferenceEndpoint,
  releaseSlotsEndpoint,
  renewSlotsEndpoint,
  reserveEndpoint,
} from '@gateway/protocol';
import { ByteBudget } from '../../services/ingress/src/byte-budget.ts';
import { ClientReply } from '../../services/ingress/src/client-reply.ts';
import { chatEdge } from '../../services/ingress/src/edges/chat.ts';
import { Ledger } from '../../services/ingress/src/ledger.ts';
import { Limits } from '../../services/ingress/src/limits.ts';
import { answerInference, type RequestPath } from '../../services/ingress/src/request-path.ts';
import { RetryBudget } from '../../services/ingress/src/retry-budget.ts';
import { RunningCalls } from '../../services/ingress/src/running-calls.ts';
import { StoredAnswers } from '../../services/ingress/src/stored-answers.ts';
import { AnswerBudget } from '../../services/provider-worker/src/answer-budget.ts';
import { attempt } from '../../services/provider-worker/src/attempt.ts';
import { CutOff } from '../../services/provider-worker/src/cut-off.ts';
import { ProviderBreakers } from '../../services/provider-worker/src/provider-breakers.ts';
import type { ProviderDirectory } from '../../services/provider-worker/src/provider-directory.ts';
import { releaseHandler, renewHandler } from '../../services/rate-limiter/src/hold-slots.ts';
import { reserveHandler } from '../../services/rate-limiter/src/reserve.ts';
import { AuditWriterProcess } from './audit-writer-process.ts';
import { ClientConnection } from './client-connection.ts';
import type { Gateway } from './gateway.ts';
import { type Incarnation, SILENT } from './machine.ts';
import type { PlannedRequest } from './schedule.ts';
import type { SimulatedBus } from './simulated-bus.ts';

const WORKER_CONCURRENCY = 3;
const HANDLER_CONCURRENCY = 64;
const BUFFERED_BYTES_MAX = 1_000_000;

const paths = new WeakMap<Incarnation, RequestPath>();

export function beginIngress(gateway: Gateway, incarnation: Incarnation): () => void {
  const { configuration, broken } = gateway;
  const bus = watchCalls(gateway, incarnation.bus);
  if (broken.trustsPublish) {
    bus.publish = async (event) => {
      void incarnation.bus.publish(event).catch(() => undefined);
    };
  }
  const drainEnding = new AbortController().signal;
  const path: RequestPath = {
    ...{ bus, configuration, logger: SILENT },
    ledger: new Ledger(bus, SILENT),
    limits: new Limits({ bus, configuration, logger: SILENT }),
    storedAnswers: new StoredAnswers(bus, SILENT),
    retryBudget: new RetryBudget(),
    byteBudget: new ByteBudget(BUFFERED_BYTES_MAX, BUFFERED_BYTES_MAX),
    calls: new RunningCalls(drainEnding),
    drainEnding,
  };
  paths.set(incarnation, path);
  return () => {
    const { process } = incarnation;
    for (const entry of gateway.journal) {
      if (entry.connection.process !== process) continue;
      entry.ingressDied = true;
      entry.connection.processDied();
    }
  };
}

/** Notes by when each attempt has to be accepted. */
function watchCalls({ acceptBy, time }: Gateway, bus: SimulatedBus): SimulatedBus {
  const watched: SimulatedBus = Object.create(bus, Object.getOwnPropertyDescriptors(bus));
  watched.call = (endpoint, message, options) => {
    acceptBy.set(options.requestId, time.now + 1_000);
    return bus.call(endpoint, message, options);
  };
  return watched;
}

/** A request arrives in the process that runs there now. */
export function arrive(gateway: Gateway, planned: PlannedRequest, requestId: string): void {
  const { time, journal, configuration } = gateway;
  const incarnation = gateway.ingresses[planned.ingress]?.running;
  const path = incarnation && paths.get(incarnation);
  const key = gateway.keyOf(planned.key);
  if (incarnation === undefined || path === undefined) return;
  const { process } = incarnation;
  const connection = new ClientConnection(time, process, planned);
  time.after(0, process, () => {
    const receivedAt = time.processNow;
    const deadlineAt = receivedAt + configuration.timeouts.totalMs;
    const { stream } = planned;
    journal.push({ requestId, stream, connection, deadlineAt, ingressDied: false });
    time.note(`receives ${requestId}${stream ? ' streamed' : ''} of ${key.id}`);
    const messages = [{ role: 'user', content: 'Say something.' }];
    const request = {
      ...{ requestId, receivedAt, key, endpoint: '/v1/chat/completions', method: 'POST' },
      ...{ clientIp: '192.0.2.1', userAgent: '', traceId: undefined },
      header: () => undefined,
      body: Buffer.from(JSON.stringify({ model: 'm', stream, messages })),
    };
    const reply = new ClientReply(connection.response, chatEdge.errors);
    answerInference(request, chatEdge, reply, path).catch((error: unknown) => {
      gateway.violated(`the request path threw ${String(error)}`);
    });
  });
}

export function beginWorker(gateway: Gateway, { bus }: Incarnation): () => void {
  const { providers } = gateway;
  const directory = { find: (_: string, name: string) => providers.open(name) };
  const context = {
    ...{ bus, logger: SILENT, directory: directory as unknown as ProviderDirectory },
    breakers: new ProviderBreakers(SILENT),
    answers: new AnswerBudget(),
    cutOff: new CutOff(new AbortController().signal),
  };
  for (const { name } of gateway.configuration.providers) {
    const options = { concurrencyMax: WORKER_CONCURRENCY };
    void bus.serve(inferenceEndpoint(name), (call) => attempt(call, context), options);
  }
  return () => undefined;
}

export function beginLimiter({ limiter }: Gateway, { bus }: Incarnation): () => void {
  const options = { concurrencyMax: HANDLER_CONCURRENCY };
  void bus.respond(reserveEndpoint, reserveHandler(limiter), options);
  void bus.receive(releaseSlotsEndpoint, releaseHandler(limiter), options);
  void bus.receive(renewSlotsEndpoint, renewHandler(limiter), options);
  return () => undefined;
}

export function beginAuditWriter(gateway: Gateway, { process, bus }: Incarnation): () => void {
  const { time, log, table, merge, violated, broken } = gateway;
  const { acknowledgesFirst = false } = broken;
  gateway.auditWriter = new AuditWriterProcess({
    ...{ time, process, log, bus, table, merge, acknowledgesFirst, violated },
  });
  return () => {
    gateway.auditWriter = undefined;
  };
}
