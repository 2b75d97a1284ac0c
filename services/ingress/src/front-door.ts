/**
 * What every request passes before its route has it, whether the framework finds the route or not: the
 * load, the headers, the key, and the room for its body. Here it is refused, too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERRORS, GatewayError, toGatewayError } from '@gateway/protocol';
import { type BoundHistogram, getMeter, HTTP, type Logger } from '@gateway/telemetry';
import { admit, checkBodyHeaders } from './admit.ts';
import type { ByteBudget } from './byte-budget.ts';
import { clientAddress } from './client-address.ts';
import { FailedAuthentications } from './failed-authentications.ts';
import { IncomingRequest, type Route } from './incoming-request.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { LoadGuard } from './load-guard.ts';
import { readBody } from './read-body.ts';
import { sendRefusal } from './send-refusal.ts';

const requestDuration = getMeter('ingress').createHistogram(HTTP.serverRequestDuration, {
  unit: 's',
  description: 'Time from a request to the end of its answer',
});

/** Of each route and status: both are few, and finding them by name again costs each request. */
const durations = new Map<string, Map<number, BoundHistogram>>();

function durationOf(route: string, status: number): BoundHistogram {
  const ofRoute = durations.get(route) ?? new Map<number, BoundHistogram>();
  const known = ofRoute.get(status);
  if (known !== undefined) return known;
  const bound = requestDuration.bind({
    [HTTP.route]: route,
    [HTTP.responseStatusCode]: status,
  });
  durations.set(route, ofRoute.set(status, bound));
  return bound;
}

export interface FrontDoorOptions {
  readonly bodyBytesMax: number;
  readonly keys: KeyDirectory;
  readonly budget: ByteBudget;
  readonly load: LoadGuard;
  readonly logger: Logger;
  /** Told of requests that are refused for want of a valid key. */
  readonly unauthenticated: (request: IncomingRequest, error: GatewayError) => void;
  /** Told of those whose address had too many such refusals, instead. */
  readonly tooManyFailedKeys: () => void;
  /** Records the refusal of a request with a valid key; resolves with the error to be sent. */
  readonly refused: (request: IncomingRequest, error: GatewayError) => Promise<GatewayError>;
}

/** What the door knows from elsewhere. */
export interface Surroundings {
  /** Whether `x-forwarded-for` of this peer is believed. */
  readonly isProxy: (address: string) => boolean;
  readonly isClosing: () => boolean;
}

export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #surroundings: Surroundings;
  readonly #failures = new FailedAuthentications();

  constructor(options: FrontDoorOptions, surroundings: Surroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
  }

  /**
   * Begins the trace and the measures of a request. They end with its answer, and so does what it
   * holds, also when its client did not wait for that.
   */
  meet(raw: IncomingMessage, response: ServerResponse, route: Route | undefined): IncomingRequest {
    const address = clientAddress(raw, this.#surroundings.isProxy);
    const request = new IncomingRequest(raw, response, route, address);
    response.on('close', () => this.#part(request));
    return request;
  }

  /** Throws the refusal of a request that may not go on; one without a route goes on to be told so. */
  admit(request: IncomingRequest): void {
    if (this.#surroundings.isClosing()) {
      throw new GatewayError('shutting_down', 'This gateway is shutting down. Try again.');
    }
    const { route, response } = request;
    if (route === undefined) return;
    const { load, keys } = this.#options;
    if (load.closesConnections) response.setHeader('connection', 'close');
    if (route.access === 'client') this.#checkLoad(request);
    try {
      admit(request, route.access, keys);
    } catch (error) {
      if (request.key === undefined) this.#countFailure(request, error);
      throw error;
    }
    if (route.access === 'client') {
      load.begin();
      request.isRunning = true;
    }
  }

  /** Judges what the headers say of the body, and takes room for it. Throws the refusal. */
  expectBody(request: IncomingRequest): void {
    const { raw, response, route } = request;
    checkBodyHeaders(raw, route?.bodyBytesMax ?? this.#options.bodyBytesMax);
    this.#share(request).growTo(Number(raw.headers['content-length'] ?? 0));
    if (raw.headers.expect !== undefined) response.writeContinue();
  }

  /** Throws as `readBody` does. */
  readBody(request: IncomingRequest): Promise<Buffer> {
    const bytesMax = request.route?.bodyBytesMax ?? this.#options.bodyBytesMax;
    return readBody(request.raw, this.#share(request), { bytesMax });
  }

  /** Records what was thrown of a request with a valid key, and answers with it. Never rejects. */
  async refuse(request: IncomingRequest, thrown: unknown): Promise<void> {
    const { logger, refused } = this.#options;
    try {
      const error = toGatewayError(thrown);
      if (error.code === 'internal') logger.error({ error: thrown }, 'request failed');
      sendRefusal(request.key === undefined ? error : await refused(request, error), request);
    } catch (error) {
      logger.error({ error, request_id: request.requestId }, 'request not answered');
      request.response.destroy();
    }
  }

  #part(request: IncomingRequest): void {
    const { response, receivedAt, route } = request;
    if (request.isRunning) this.#options.load.end();
    request.held?.release();
    const status = response.headersSent ? response.statusCode : ERRORS.client_closed.status;
    request.span?.end(status);
    durationOf(route?.url ?? 'none', status).record((Date.now() - receivedAt) / 1000);
  }

  /** Throws `overloaded`, before the key is looked at and without a record. */
  #checkLoad({ raw }: IncomingRequest): void {
    const { load, budget, bodyBytesMax } = this.#options;
    load.admit();
    const announcedBytes = Number(raw.headers['content-length'] ?? 0);
    // A longer one is refused for its length.
    if (announcedBytes <= bodyBytesMax) budget.checkRoom(announcedBytes);
  }

  /** Throws the refusal of an address that had too many. */
  #countFailure(request: IncomingRequest, error: unknown): void {
    const { unauthenticated, tooManyFailedKeys } = this.#options;
    const tooMany = this.#failures.add(request.clientAddress);
    if (tooMany !== undefined) {
      tooManyFailedKeys();
      throw tooMany;
    }
    unauthenticated(request, toGatewayError(error));
  }

  #share(request: IncomingRequest) {
    request.held ??= this.#options.budget.requestShare(request.key?.id ?? '');
    return request.held;
  }
}
