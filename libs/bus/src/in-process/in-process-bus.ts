import {
  type BucketName,
  type ConsumerDefinition,
  type Endpoint,
  eventMessageId,
  GatewayError,
  type GatewayEvent,
  type Identity,
  type OneWayEndpoint,
  type StreamEndpoint,
  subjects,
} from '@gateway/protocol';
import {
  type Backlog,
  type BatchHandler,
  type Bucket,
  type Bus,
  type CallHandler,
  type CallOptions,
  type ConsumeOptions,
  type Message,
  type OutgoingCall,
  PUBLISH_TIMEOUT_MS,
  type PublishOptions,
  type RecordOptions,
  type RequestHandler,
  type RequestOptions,
  type RespondOptions,
  type ServeOptions,
  type SpoolState,
  type Subscription,
} from '../bus.ts';
import { activeCarrier } from '../trace-context.ts';
import { ConsumerSubscription } from './consumer-subscription.ts';
import type { DurableConsumer } from './durable-consumer.ts';
import type { HubState, Peer } from './hub-state.ts';
import { InProcessCalls } from './in-process-calls.ts';
import { InProcessRequests } from './in-process-requests.ts';

const SUBJECTS: Readonly<Record<GatewayEvent['kind'], string>> = {
  received: subjects.event('received'),
  attempted: subjects.event('attempted'),
  finished: subjects.event('finished'),
  control: subjects.event('control'),
};

/** One service's connection to the hub of its process. */
export class InProcessBus implements Bus, Peer {
  readonly identity: Identity;
  readonly #calls: InProcessCalls;
  readonly #hub: HubState;
  readonly #requests: InProcessRequests;
  readonly #subscriptions = new Set<Subscription>();
  #closed = false;
  #drained: Promise<void> | undefined;

  constructor(identity: Identity, hub: HubState) {
    this.identity = identity;
    this.#hub = hub;
    this.#requests = new InProcessRequests(hub, this);
    this.#calls = new InProcessCalls(hub, this, identity, (event, json) =>
      this.#recordInLog(event, false, json),
    );
    hub.buses.set(identity.instance, this);
  }

  get outage(): string | undefined {
    return this.#closed ? 'the bus is closed' : this.#hub.log.outage;
  }

  /** One machine has one clock. */
  get clockSkew(): undefined {
    return undefined;
  }

  get spool(): SpoolState {
    return { events: 0, bytes: 0, admits: this.#hub.log.admits };
  }

  request<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    message: Message<Request>,
    options: RequestOptions,
  ): Promise<Message<Reply>> {
    if (this.#closed) return Promise.reject(unavailable());
    return this.#requests.request(endpoint, message, options);
  }

  async respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Promise<Subscription> {
    this.#requireOpen();
    return this.#keep(this.#requests.respond(endpoint, handler, options));
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    if (!this.#closed) this.#requests.send(endpoint, message);
  }

  async receive<Value>(
    endpoint: OneWayEndpoint<Value>,
    handler: (message: Message<Value>) => Promise<void>,
    options: RespondOptions,
  ): Promise<Subscription> {
    this.#requireOpen();
    return this.#keep(this.#requests.receive(endpoint, handler, options));
  }

  call<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    message: Message<Request>,
    options: CallOptions,
  ): OutgoingCall<Head> {
    this.#requireOpen();
    return this.#calls.call(endpoint, message, options);
  }

  async serve<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    handler: CallHandler<Request, Head>,
    options: ServeOptions,
  ): Promise<Subscription> {
    this.#requireOpen();
    return this.#keep(this.#calls.serve(endpoint, handler, options));
  }

  publish(
    event: GatewayEvent,
    { timeoutMs = PUBLISH_TIMEOUT_MS }: PublishOptions = {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(unrecorded('the bus is closed'));
      const callOff = this.#hub.clock.after(timeoutMs, () =>
        reject(unrecorded(`the event was not stored in ${timeoutMs} ms`)),
      );
      const store = this.#store(event, false);
      store.then(
        () => {
          callOff();
          resolve();
        },
        (error: unknown) => {
          callOff();
          reject(error);
        },
      );
    });
  }

  record(event: GatewayEvent, { mayWait = false }: RecordOptions = {}): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable());
    return this.#recordInLog(event, mayWait);
  }

  async consume(
    definition: ConsumerDefinition,
    handler: BatchHandler,
    options: ConsumeOptions,
  ): Promise<Subscription> {
    this.#requireOpen();
    const consumer = this.#consumer(definition);
    return this.#keep(new ConsumerSubscription(consumer, handler, options));
  }

  async backlog(definition: ConsumerDefinition): Promise<Backlog> {
    this.#requireOpen();
    await this.#hub.turns.next();
    return this.#consumer(definition).backlog();
  }

  async bucket(name: BucketName): Promise<Bucket> {
    this.#requireOpen();
    const bucket = await this.#hub.bucket(name);
    return {
      get: (key) => bucket.get(key),
      put: (key, value) => bucket.put(key, value),
      delete: (key) => bucket.delete(key),
      watch: async (watcher) => this.#keep(await bucket.watch(watcher)),
    };
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  peerGone(instance: string): void {
    this.#calls.peerGone(instance);
  }

  /** At once, as a process dies: its peers notice, and what it was doing is told to stop. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { buses } = this.#hub;
    if (buses.get(this.identity.instance) === this) buses.delete(this.identity.instance);
    for (const subscription of this.#subscriptions) {
      // Leaves its group now; what it waits for does not matter any more.
      if (subscription instanceof ConsumerSubscription) subscription.abandon();
      else void subscription.drain();
    }
    this.#subscriptions.clear();
    this.#requests.close(unavailable());
    this.#calls.close();
    // Behind the frames that are on their way.
    this.#hub.turns.push({
      inTurn: () => {
        for (const peer of buses.values()) peer.peerGone(this.identity.instance);
      },
    });
  }

  async #drain(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.drain()));
    this.close();
  }

  #requireOpen(): void {
    if (this.#closed) throw unavailable();
  }

  /** Ends with the bus, unless it was ended before. */
  #keep(subscription: Subscription): Subscription {
    this.#subscriptions.add(subscription);
    const drain = async () => {
      await subscription.drain();
      this.#subscriptions.delete(subscription);
    };
    return { drain, [Symbol.asyncDispose]: drain };
  }

  #consumer({ durable }: ConsumerDefinition): DurableConsumer {
    const consumer = this.#hub.consumers.get(durable);
    if (!consumer) throw new TypeError(`there is no durable consumer ${durable}`);
    return consumer;
  }

  /** Also for a call whose bus was closed under it: what it spent is worth knowing. */
  #recordInLog(event: GatewayEvent, mayWait: boolean, json?: string): Promise<void> {
    if (this.#hub.log.isClosed) return Promise.reject(unavailable());
    return this.#store(event, mayWait, json);
  }

  #store(
    event: GatewayEvent,
    mayWait: boolean,
    text: string = JSON.stringify(event),
  ): Promise<void> {
    this.#hub.inspect(event);
    const message = {
      id: eventMessageId(event),
      subject: SUBJECTS[event.kind],
      headers: activeCarrier(),
      text,
      value: event,
    };
    return this.#hub.log.append(message, mayWait);
  }
}

function unavailable(): GatewayError {
  return new GatewayError('bus_unavailable', 'The message bus is not connected.');
}

function unrecorded(detail: string): GatewayError {
  return new GatewayError('audit_unavailable', 'The request could not be recorded.', { detail });
}
