/**
 * The bus of one process: the real machines, requests, frames and control messages of `libs/bus` over a
 * connection that is none. Only the disk of the spool is played.
 */
import type { Bus, OutgoingCall, RecordOptions } from '@gateway/bus';
import { GatewayError, type GatewayEvent, type Identity } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import type { Clock } from '../../libs/bus/src/calls/clock.ts';
import { WindowPool } from '../../libs/bus/src/calls/window-pool.ts';
import type { ConnectionKeeper } from '../../libs/bus/src/nats/connection-keeper.ts';
import { EventPacker } from '../../libs/bus/src/nats/event-packer.ts';
import { eventMessage } from '../../libs/bus/src/nats/event-publisher.ts';
import { IncomingCalls } from '../../libs/bus/src/nats/incoming-calls.ts';
import { OutgoingCalls } from '../../libs/bus/src/nats/outgoing-calls.ts';
import { RequestMux } from '../../libs/bus/src/nats/request-mux.ts';
import { Requests } from '../../libs/bus/src/nats/requests.ts';
import { TurnEnd } from '../../libs/bus/src/nats/turn-end.ts';
import { Link, type NatsServer, type WireHeaders, type WireMessage } from './nats-server.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

/** Events that outlive a process, in order. */
export type Disk = ReturnType<typeof eventMessage>[];

const RECORD_TIMEOUT_MS = 500;
const PUBLISH_TIMEOUT_MS = 2_000;
const REPLAY_RETRY_MS = 500;
const REPLAYED_TOGETHER = 4;
/** As a timer wheel has it. */
const TIMER_LATE_MAX_MS = 10;
const DISK_LATENCY_MAX_MS = 4;
const NO_BYTES = new Uint8Array(0);

export interface SimulatedBusSetup {
  readonly time: VirtualTime;
  readonly server: NatsServer;
  readonly process: SimulatedProcess;
  readonly identity: Identity;
  readonly disk: Disk;
  readonly logger: Logger;
  /** Called for what the bus must never do. */
  readonly violated: (what: string) => void;
}

export interface SimulatedBus extends Bus {
  readonly link: Link;
  readonly openWindowBytes: number;
}

interface Callbacks {
  readonly queue?: string;
  readonly callback: (error: null, message: unknown) => void;
}

/** Stands in for the keeper of a connection to NATS. */
class LinkKeeper {
  readonly link: Link;
  readonly connection_: object;
  readonly #listeners: { connected?(c: unknown): void; lost?(): void; restored?(): void }[] = [];
  outage: string | undefined;

  constructor({ server, process }: SimulatedBusSetup) {
    this.link = new Link(server, process, {
      lost: () => {
        this.outage = 'NATS is not connected';
        for (const listener of this.#listeners) listener.lost?.();
      },
      restored: () => {
        this.outage = undefined;
        for (const listener of this.#listeners) listener.restored?.();
      },
    });
    this.connection_ = {
      publish: (
        subject: string,
        data: Uint8Array = NO_BYTES,
        options: { reply?: string; headers?: WireHeaders } = {},
      ) => this.link.publish({ subject, data, reply: options.reply, headers: options.headers }),
      subscribe: (subject: string, { queue, callback }: Callbacks) => {
        const received = (message: WireMessage) => callback(null, this.#withRespond(message));
        this.link.subscriptions.push({ subject, queue, received });
      },
    };
  }

  get connection(): object | undefined {
    return this.outage === undefined ? this.connection_ : undefined;
  }

  require(): object {
    if (this.outage !== undefined) throw this.unavailable();
    return this.connection_;
  }

  unavailable(): GatewayError {
    return new GatewayError('bus_unavailable', 'The message bus is not available.');
  }

  listen(listener: { connected?(c: unknown): void; lost?(): void; restored?(): void }): void {
    this.#listeners.push(listener);
    listener.connected?.(this.connection_);
  }

  async subscribe(subject: string, options: Callbacks): Promise<object> {
    (this.connection_ as { subscribe(s: string, o: Callbacks): void }).subscribe(subject, options);
    return {};
  }

  async unsubscribe(): Promise<void> {}

  #withRespond(message: WireMessage): object {
    return {
      ...message,
      respond: (data: Uint8Array = NO_BYTES, options: { headers?: WireHeaders } = {}) => {
        const { reply } = message;
        if (reply === undefined || this.outage !== undefined) return false;
        this.link.publish({ subject: reply, data, headers: options.headers });
        return true;
      },
    };
  }
}

/** What cannot be stored in time waits on the disk, and is stored later in its order. */
class PlayedSpool {
  readonly #setup: SimulatedBusSetup;
  readonly #packer: EventPacker;
  readonly #clock: Clock;
  #isReplaying = false;

  constructor(setup: SimulatedBusSetup, packer: EventPacker, clock: Clock) {
    this.#setup = setup;
    this.#packer = packer;
    this.#clock = clock;
    if (setup.disk.length > 0) this.#replay();
  }

  get events(): number {
    return this.#setup.disk.length;
  }

  async record(event: GatewayEvent, { mayWait }: RecordOptions = {}): Promise<void> {
    const { disk, time } = this.#setup;
    const message = eventMessage(event);
    if (disk.length === 0) {
      try {
        return await this.#packer.store(message, { timeoutMs: RECORD_TIMEOUT_MS, mayWait });
      } catch {
        // To the disk then.
      }
    }
    await this.#pause(time.random.next() * DISK_LATENCY_MAX_MS);
    disk.push(message);
    time.note(`spooled ${message.id}`);
    // A process that dies here has written it and told nobody.
    await this.#pause(time.random.next() * DISK_LATENCY_MAX_MS);
    this.#replay();
  }

  #pause(delayMs: number): Promise<void> {
    const { time, process } = this.#setup;
    return new Promise((resolve) => time.after(delayMs, process, resolve));
  }

  #replay(): void {
    if (this.#isReplaying) return;
    this.#isReplaying = true;
    void this.#replayAll();
  }

  async #replayAll(): Promise<void> {
    const { disk } = this.#setup;
    while (disk.length > 0) {
      try {
        const oldest = disk.slice(0, REPLAYED_TOGETHER);
        const stored = (message: Disk[number]) =>
          this.#packer.store(message, { timeoutMs: PUBLISH_TIMEOUT_MS });
        await Promise.all(oldest.map(stored));
        disk.splice(0, oldest.length);
      } catch {
        await new Promise<void>((resolve) => this.#clock.after(REPLAY_RETRY_MS, resolve));
      }
    }
    this.#isReplaying = false;
  }
}

/** The pool of a bus is its own affair, so what opens a window is watched. */
let lastOpenedPool: WindowPool | undefined;
const openWindow = WindowPool.prototype.open;
WindowPool.prototype.open = function open(this: WindowPool): number {
  lastOpenedPool = this;
  return openWindow.call(this);
};

export function openBus(setup: SimulatedBusSetup): SimulatedBus {
  const { time, process, identity, logger, violated } = setup;
  const link = new LinkKeeper(setup);
  const keeper = link as unknown as ConnectionKeeper;
  const clock = clockOf(time, process);
  const mux = new RequestMux(keeper, identity, clock);
  const turnEnd = new TurnEnd();
  const packer = new EventPacker({ keeper, mux, clock, turnEnd });
  const spool = new PlayedSpool(setup, packer, clock);
  const recorder: Pick<Bus, 'record'> = {
    record: (event, options) => spool.record(event, options),
  };
  const parts = { keeper, mux, identity, clock, logger, recorder, turnEnd };
  const requests = new Requests(parts);
  const outgoing = new OutgoingCalls(parts);
  const incoming = new IncomingCalls(parts, () => true);
  let windows: WindowPool | undefined;
  const unplayed = () => Promise.reject(new Error('not part of the simulation'));
  return {
    identity,
    clockSkew: undefined,
    link: link.link,
    get openWindowBytes() {
      return windows?.openBytes ?? 0;
    },
    get outage() {
      return link.outage;
    },
    get spool() {
      return { events: spool.events, bytes: 0, admits: true };
    },
    request: (endpoint, message, options) => requests.request(endpoint, message, options),
    respond: (endpoint, handler, options) => requests.respond(endpoint, handler, options),
    send: (endpoint, message) => requests.send(endpoint, message),
    receive: (endpoint, handler, options) => requests.receive(endpoint, handler, options),
    call: (endpoint, message, options) => {
      const call = outgoing.call(endpoint, message, options);
      windows ??= lastOpenedPool;
      return withOneEnd(call, violated);
    },
    serve: (endpoint, handler, options) => incoming.serve(endpoint, handler, options),
    publish: (event, { timeoutMs = PUBLISH_TIMEOUT_MS } = {}) =>
      packer.store(eventMessage(event), { timeoutMs }),
    record: recorder.record,
    consume: unplayed,
    backlog: unplayed,
    bucket: unplayed,
    drain: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function clockOf(time: VirtualTime, process: SimulatedProcess): Clock {
  const timers = new Map<object, () => void>();
  const stop: Clock['stop'] = (timer) => {
    timers.get(timer)?.();
    timers.delete(timer);
  };
  const after: Clock['after'] = (delayMs, task) => {
    const lateMs = time.random.next() * TIMER_LATE_MAX_MS;
    const timer = time.after(delayMs + lateMs, process, task);
    return () => timer.callOff();
  };
  return {
    now: () => Math.floor(time.now + process.skewMs),
    after,
    start: (timer, delayMs) => {
      stop(timer);
      timers.set(
        timer,
        after(delayMs, () => timer.due()),
      );
    },
    stop,
  };
}

/** Watches that a call has exactly one terminal frame, and that it is the last. */
function withOneEnd<Head>(
  call: OutgoingCall<Head>,
  violated: (what: string) => void,
): OutgoingCall<Head> {
  return {
    get worker() {
      return call.worker;
    },
    cancel: (reason) => call.cancel(reason),
    async deliver(consumer) {
      let ends = 0;
      await call.deliver({
        take: (frame) => {
          if (ends > 0) violated(`a ${frame.type} frame follows the end of its call`);
          if (frame.type === 'end' || frame.type === 'error') ends += 1;
          return consumer.take(frame);
        },
      });
      if (ends !== 1) violated(`a call has ${ends} ends`);
    },
    [Symbol.asyncIterator]: () => call[Symbol.asyncIterator](),
  };
}
