import type {
  BucketName,
  ConsumerDefinition,
  Endpoint,
  GatewayEvent,
  Identity,
  OneWayEndpoint,
  StreamEndpoint,
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
import { systemClock } from '../calls/clock.ts';
import { SILENT } from '../log/durable-log.ts';
import { readBacklog } from './backlog.ts';
import { NatsBucket } from './bucket.ts';
import { ConnectionKeeper } from './connection-keeper.ts';
import { drainable } from './drainable.ts';
import { EventConsumer } from './event-consumer.ts';
import { EventPacker } from './event-packer.ts';
import { eventMessage } from './event-publisher.ts';
import { EventRecorder } from './event-recorder.ts';
import { IncomingCalls } from './incoming-calls.ts';
import type { NatsBusOptions } from './nats-bus-options.ts';
import { OutgoingCalls } from './outgoing-calls.ts';
import { ProvisioningCheck } from './provisioning-check.ts';
import { RequestMux } from './request-mux.ts';
import { Requests } from './requests.ts';
import { TurnEnd } from './turn-end.ts';

interface Parts {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly turnEnd: TurnEnd;
  readonly packer: EventPacker;
  readonly recorder: EventRecorder;
}

class NatsBus implements Bus {
  readonly identity: Identity;
  readonly #setup;
  readonly #keeper: ConnectionKeeper;
  readonly #mux: RequestMux;
  readonly #requests: Requests;
  readonly #outgoing: OutgoingCalls;
  readonly #incoming: IncomingCalls;
  readonly #provisioning: ProvisioningCheck;
  readonly #packer: EventPacker;
  readonly #recorder: EventRecorder;
  readonly #subscriptions = new Set<Subscription>();
  #drained: Promise<void> | undefined;

  private constructor({ identity, logger }: NatsBusOptions, parts: Parts) {
    const { keeper, mux, turnEnd, packer, recorder } = parts;
    const clock = systemClock;
    this.identity = identity;
    this.#setup = { keeper, mux, clock, identity, logger, recorder, turnEnd };
    this.#keeper = keeper;
    this.#mux = mux;
    this.#packer = packer;
    this.#recorder = recorder;
    this.#requests = new Requests(this.#setup);
    this.#outgoing = new OutgoingCalls(this.#setup);
    this.#incoming = new IncomingCalls(this.#setup, () => this.clockSkew === undefined);
    this.#provisioning = new ProvisioningCheck(identity.service, keeper, mux, clock);
  }

  /** Resolves after the first look at the streams. */
  static async connect(options: NatsBusOptions): Promise<NatsBus> {
    const { identity, logger = SILENT, spool } = options;
    const clock = systemClock;
    const turnEnd = new TurnEnd();
    const keeper = await ConnectionKeeper.open(options, turnEnd);
    try {
      const mux = new RequestMux(keeper, identity, clock);
      const packer = new EventPacker({ keeper, mux, clock, turnEnd });
      const recorder = await EventRecorder.open({
        ...{ keeper, packer },
        spool: spool && { ...spool, identity, clock, logger },
      });
      const bus = new NatsBus(options, { keeper, mux, turnEnd, packer, recorder });
      await bus.#provisioning.start();
      return bus;
    } catch (error) {
      await keeper.close();
      throw error;
    }
  }

  get outage(): string | undefined {
    return this.#keeper.outage ?? this.#provisioning.outage;
  }

  get clockSkew(): string | undefined {
    return this.#provisioning.clockSkew;
  }

  get spool(): SpoolState {
    return this.#recorder.state;
  }

  request<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    message: Message<Request>,
    options: RequestOptions,
  ): Promise<Message<Reply>> {
    return this.#requests.request(endpoint, message, options);
  }

  respond<Request, Reply>(
    endpoint: Endpoint<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    options: RespondOptions,
  ): Promise<Subscription> {
    return this.#kept(this.#requests.respond(endpoint, handler, options));
  }

  send<Value>(endpoint: OneWayEndpoint<Value>, message: Message<Value>): void {
    this.#requests.send(endpoint, message);
  }

  receive<Value>(
    endpoint: OneWayEndpoint<Value>,
    handler: (message: Message<Value>) => Promise<void>,
    options: RespondOptions,
  ): Promise<Subscription> {
    return this.#kept(this.#requests.receive(endpoint, handler, options));
  }

  call<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    message: Message<Request>,
    options: CallOptions,
  ): OutgoingCall<Head> {
    return this.#outgoing.call(endpoint, message, options);
  }

  serve<Request, Head>(
    endpoint: StreamEndpoint<Request, Head>,
    handler: CallHandler<Request, Head>,
    options: ServeOptions,
  ): Promise<Subscription> {
    return this.#kept(this.#incoming.serve(endpoint, handler, options));
  }

  publish(
    event: GatewayEvent,
    { timeoutMs = PUBLISH_TIMEOUT_MS }: PublishOptions = {},
  ): Promise<void> {
    return this.#packer.store(eventMessage(event), { timeoutMs });
  }

  record(event: GatewayEvent, options?: RecordOptions): Promise<void> {
    return this.#recorder.record(event, options);
  }

  consume(
    definition: ConsumerDefinition,
    handler: BatchHandler,
    options: ConsumeOptions,
  ): Promise<Subscription> {
    const consumer = new EventConsumer({ ...this.#setup, definition, handler, options });
    return this.#kept(consumer.start().then(() => drainable(() => consumer.drain())));
  }

  backlog(consumer: ConsumerDefinition): Promise<Backlog> {
    return readBacklog(this.#mux, consumer);
  }

  async bucket(name: BucketName): Promise<Bucket> {
    await this.#keeper.whenConnected;
    const bucket = new NatsBucket({ ...this.#setup, bucket: name });
    return {
      get: (key) => bucket.get(key),
      put: (key, value) => bucket.put(key, value),
      delete: (key) => bucket.delete(key),
      watch: (watcher) => this.#kept(bucket.watch(watcher)),
    };
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  async #drain(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.drain()));
    // What waits for the end of the turn would find the connection closed.
    this.#setup.turnEnd.run();
    await this.#recorder.flush();
    this.#provisioning.stop();
    await this.#keeper.close();
    await this.#recorder.close();
  }

  /** Remembers a subscription until it is drained. */
  async #kept(subscribing: Promise<Subscription>): Promise<Subscription> {
    const subscription = await subscribing;
    const kept = drainable(async () => {
      await subscription.drain();
      this.#subscriptions.delete(kept);
    });
    this.#subscriptions.add(kept);
    return kept;
  }
}

/**
 * Connects to nats-server 2.12 or newer with JetStream. When no server answers within 2 s the bus
 * is returned with an `outage` and goes on trying; what subscribes or watches waits for the
 * connection. Throws `NatsSetupError` when the server refuses the user, is too old, or has no
 * JetStream, and what the file system says when the spool's directory cannot be written.
 */
export function connectNatsBus(options: NatsBusOptions): Promise<Bus> {
  return NatsBus.connect(options);
}
