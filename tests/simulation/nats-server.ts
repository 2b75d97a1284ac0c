/**
 * A nats-server without a network: subjects, queue groups, no-responders answers, and JetStream's
 * acknowledgements. The messages between one client and the server keep their order and are lost only
 * with the connection, except in the harsh mode, which NATS never shows.
 */
import { decodeFrames, parseReplySubject, subjects } from '@gateway/protocol';
import type { EventLog } from './event-log.ts';
import { GAP_MS, type SimulatedProcess, type VirtualTime } from './virtual-time.ts';

export interface WireMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string | undefined;
  readonly headers?: WireHeaders | undefined;
}

/** What product code asks of the headers of a message. */
export interface WireHeaders extends Iterable<[string, string[]]> {
  readonly code: number;
  get(name: string): string;
  has(name: string): boolean;
}

const NO_RESPONDERS: WireHeaders = {
  code: 503,
  get: () => '',
  has: () => false,
  *[Symbol.iterator]() {},
};

export interface WireSubscription {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly received: (message: WireMessage) => void;
}

const LATENCY_MAX_MS = 3;

/** What may befall a single message where the bus keeps no promise. */
export interface Harshness {
  readonly drops: number;
  readonly repeats: number;
  readonly strays: number;
}

export interface NatsServerSetup {
  readonly time: VirtualTime;
  readonly log: EventLog;
  readonly harshness: Harshness | undefined;
  /** Sees each message before a client gets it, and may change or drop it. */
  readonly tamper?: ((message: WireMessage) => WireMessage | undefined) | undefined;
}

export class NatsServer {
  readonly setup: NatsServerSetup;
  readonly #links = new Set<Link>();
  #isPaused = false;
  #held: (() => void)[] = [];
  isUp = true;
  /** Why JetStream stores nothing. */
  storeRefusal: string | undefined;

  constructor(setup: NatsServerSetup) {
    this.setup = setup;
  }

  attach(link: Link): void {
    this.#links.add(link);
  }

  detach(link: Link): void {
    this.#links.delete(link);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const work of this.#held.splice(0)) work();
  }

  /** Every connection breaks; what is stored stays. */
  kill(): void {
    this.isUp = false;
    this.#held = [];
    this.#isPaused = false;
    for (const link of [...this.#links]) link.cut(this.setup.time.random.integer(0, 20));
  }

  arrived(from: Link, message: WireMessage): void {
    if (this.#isPaused) this.#held.push(() => this.#route(from, message));
    else this.#route(from, message);
  }

  #route(from: Link, message: WireMessage): void {
    const { log } = this.setup;
    if (log.takes(message.subject)) {
      const answer = this.storeRefusal
        ? { error: { description: this.storeRefusal } }
        : { seq: log.store(message) };
      this.#answer(message.reply, Buffer.from(JSON.stringify(answer)));
      return;
    }
    const receivers = this.#receivers(message.subject, from);
    for (const [link, subscription] of receivers) link.toClient(subscription, message);
    if (receivers.length > 0 || message.reply === undefined) return;
    for (const subscription of from.subscriptions) {
      if (!matches(subscription.subject, message.reply)) continue;
      const data = new Uint8Array(0);
      from.toClient(subscription, { subject: message.reply, data, headers: NO_RESPONDERS });
    }
  }

  #answer(subject: string | undefined, data: Uint8Array): void {
    if (subject === undefined) return;
    for (const [link, subscription] of this.#receivers(subject, undefined)) {
      link.toClient(subscription, { subject, data });
    }
  }

  /** One of each queue group; never the sender itself. */
  #receivers(subject: string, from: Link | undefined): [Link, WireSubscription][] {
    const receivers: [Link, WireSubscription][] = [];
    const groups = new Map<string, [Link, WireSubscription][]>();
    for (const link of this.#links) {
      if (link === from) continue;
      for (const subscription of link.subscriptions) {
        if (!matches(subscription.subject, subject)) continue;
        if (subscription.queue === undefined) receivers.push([link, subscription]);
        else {
          const key = `${subscription.queue} ${subscription.subject}`;
          groups.set(key, [...(groups.get(key) ?? []), [link, subscription]]);
        }
      }
    }
    for (const members of groups.values()) receivers.push(this.setup.time.random.pick(members));
    return receivers;
  }
}

/**
 * Of a call whose `accepted` frame vanishes, and its worker after it, nobody is left who knows. NATS
 * takes the one away with the connection alone, which both ends notice.
 */
function isAccepted({ subject, data }: WireMessage): boolean {
  if (parseReplySubject(subject)?.leg !== 'frames') return false;
  return decodeFrames(data).some(({ frames }) => frames[0]?.type === 'accepted');
}

/** `*` stands for one token, `>` for all that follow. */
export function matches(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  if (pattern.endsWith('.>')) return subject.startsWith(pattern.slice(0, -1));
  if (!pattern.endsWith('.*')) return false;
  const prefix = pattern.slice(0, -1);
  return subject.startsWith(prefix) && !subject.includes('.', prefix.length);
}

export interface LinkListener {
  lost(): void;
  restored(): void;
}

/** The connection of one process. */
export class Link {
  readonly subscriptions: WireSubscription[] = [];
  readonly process: SimulatedProcess;
  readonly #server: NatsServer;
  readonly #listener: LinkListener;
  /** A broken connection takes with it what was under way. */
  #era = 0;
  #isUp = true;
  #outAt = 0;
  #inAt = 0;

  constructor(server: NatsServer, process: SimulatedProcess, listener: LinkListener) {
    this.#server = server;
    this.process = process;
    this.#listener = listener;
    if (server.isUp) server.attach(this);
    else this.cut(0);
  }

  publish(message: WireMessage): void {
    if (!this.#isUp) return;
    const era = this.#era;
    // What a process has handed to its socket is sent even if it dies.
    for (const delayMs of this.#fates(message)) {
      this.#outAt = Math.max(this.#outAt + GAP_MS, this.#time.now + delayMs);
      this.#time.at(this.#outAt, undefined, () => {
        if (this.#server.isUp && era === this.#era) this.#server.arrived(this, message);
      });
    }
  }

  toClient(subscription: WireSubscription, message: WireMessage): void {
    const { tamper } = this.#server.setup;
    const seen = tamper ? tamper(message) : message;
    if (seen === undefined) return;
    const era = this.#era;
    for (const delayMs of this.#fates(message)) {
      this.#inAt = Math.max(this.#inAt + GAP_MS, this.#time.now + delayMs);
      this.#time.at(this.#inAt, this.process, () => {
        if (era === this.#era) subscription.received(seen);
      });
    }
  }

  /** Breaks the connection; the client hears of it after the time. It reconnects as soon as it can. */
  cut(noticedAfterMs: number): void {
    this.#server.detach(this);
    this.#era += 1;
    this.#isUp = false;
    const era = this.#era;
    this.#time.after(noticedAfterMs, this.process, () => {
      if (era === this.#era) this.#listener.lost();
    });
    this.#reconnect(noticedAfterMs + this.#time.random.integer(1, 400));
  }

  /** The process is gone, and the server sees its socket close. */
  die(): void {
    this.#server.detach(this);
  }

  #reconnect(waitMs: number): void {
    const era = this.#era;
    this.#time.after(waitMs, this.process, () => {
      if (era !== this.#era) return;
      if (!this.#server.isUp) return this.#reconnect(250);
      this.#isUp = true;
      this.#server.attach(this);
      this.#listener.restored();
    });
  }

  /** The delays of the copies of a message: one, in the order of the connection, if NATS keeps its word. */
  #fates(message: WireMessage): number[] {
    const { random } = this.#time;
    const delayMs = random.next() * LATENCY_MAX_MS;
    const { harshness, log } = this.#server.setup;
    if (harshness === undefined || log.takes(message.subject)) return [delayMs];
    if (!isAccepted(message) && random.chance(harshness.drops)) return [];
    if (random.chance(harshness.strays)) this.#outAt = this.#inAt = 0;
    const isCall = message.subject.startsWith(subjects.inference(''));
    return !isCall && random.chance(harshness.repeats) ? [delayMs, delayMs * 2] : [delayMs];
  }

  get #time(): VirtualTime {
    return this.#server.setup.time;
  }
}
