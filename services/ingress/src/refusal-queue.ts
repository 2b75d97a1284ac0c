/**
 * Refusals for want of a valid key are recorded behind the answer, through a bounded queue: a flood of
 * bad keys must not become a flood of durable writes. What does not fit is counted, and logged.
 */
import { EVENT_SCHEMA, type FinishedEvent, type GatewayError, NO_USAGE } from '@gateway/protocol';
import { getMeter, type Logger } from '@gateway/telemetry';
import type { FastifyRequest } from 'fastify';
import type { Ledger } from './ledger.ts';

const WAITING_MAX = 256;
const USER_AGENT_LENGTH_MAX = 256;
const REPORT_MS = 10_000;

const overflows = getMeter('ingress').createCounter('gateway.ingress.unrecorded_refusals', {
  description: 'Refusals without a valid key that did not fit the queue',
});

export class RefusalQueue implements AsyncDisposable {
  readonly #ledger: Ledger;
  readonly #logger: Logger;
  readonly #revision: string;
  readonly #waiting: FinishedEvent[] = [];
  #publishing: Promise<void> | undefined;
  #unrecorded = 0;
  readonly #report: NodeJS.Timeout;

  constructor(ledger: Ledger, logger: Logger, revision: string) {
    this.#ledger = ledger;
    this.#logger = logger;
    this.#revision = revision;
    this.#report = setInterval(() => this.#reportOverflow(), REPORT_MS).unref();
  }

  add(request: FastifyRequest, error: GatewayError): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#unrecorded += 1;
      overflows.add(1);
      return;
    }
    this.#waiting.push(this.#event(request, error));
    this.#publishing ??= this.#publish().finally(() => {
      this.#publishing = undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#report);
    await this.#publishing;
    this.#reportOverflow();
  }

  async #publish(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        await this.#ledger.record(event);
      } catch {
        this.#unrecorded += 1;
        overflows.add(1);
      }
    }
  }

  #reportOverflow(): void {
    if (this.#unrecorded === 0) return;
    this.#logger.warn({ count: this.#unrecorded }, 'refusals without a valid key not recorded');
    this.#unrecorded = 0;
  }

  #event(request: FastifyRequest, error: GatewayError): FinishedEvent {
    const now = Date.now();
    return {
      kind: 'finished',
      schema: EVENT_SCHEMA,
      requestId: request.requestId,
      receivedAt: request.receivedAt,
      tenant: '',
      keyId: '',
      endpoint: request.routeOptions.url ?? '',
      method: request.method,
      model: '',
      stream: false,
      clientIp: request.ip,
      userAgent: (request.headers['user-agent'] ?? '').slice(0, USER_AGENT_LENGTH_MAX),
      ...(request.span?.traceId !== undefined && { traceId: request.span.traceId }),
      configurationRevision: this.#revision,
      finishedAt: now,
      status: error.status,
      errorCode: error.code,
      ended: 'refused',
      attempts: 0,
      cacheOutcome: 'bypass',
      usage: NO_USAGE,
      latencyMs: now - request.receivedAt,
      responseBytes: 0,
      assumed: false,
    };
  }
}
