/** A place where one service runs: a process at a time, and a disk that outlives it. */
import type { Identity, ServiceName } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import type { NatsServer } from './nats-server.ts';
import { type Disk, openBus, type SimulatedBus } from './simulated-bus.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

export interface Incarnation {
  readonly process: SimulatedProcess;
  readonly bus: SimulatedBus;
}

export interface MachineSetup {
  readonly time: VirtualTime;
  readonly server: NatsServer;
  readonly service: ServiceName;
  readonly number: number;
  readonly skewMs: number;
  readonly violated: (what: string) => void;
  /** Begins the service in a new process; the result is told when that dies. */
  readonly begin: (incarnation: Incarnation) => () => void;
}

const nothing = () => undefined;
export const SILENT = {
  ...{ trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing },
  fatal: nothing,
} as unknown as Logger;

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';

export class Machine {
  readonly name: string;
  readonly #setup: MachineSetup;
  readonly #disk: Disk = [];
  #incarnation: Incarnation | undefined;
  #died: () => void = nothing;
  #count = 0;

  constructor(setup: MachineSetup) {
    this.#setup = setup;
    this.name = `${setup.service}-${setup.number}`;
    this.start();
  }

  get running(): Incarnation | undefined {
    return this.#incarnation;
  }

  get spooled(): number {
    return this.#disk.length;
  }

  start(): void {
    if (this.#incarnation !== undefined) return;
    const { time, server, service, skewMs, violated, begin } = this.#setup;
    this.#count += 1;
    const name = `${this.name}.${this.#count}`;
    const process = { name, skewMs, isAlive: true, isPaused: false };
    const letters = Array.from({ length: 10 }, () => time.random.pick([...LETTERS]));
    const identity: Identity = { service, instance: letters.join('') };
    time.within(process, () => {
      time.note('starts');
      const disk = this.#disk;
      const bus = openBus({ time, server, process, identity, disk, violated, logger: SILENT });
      this.#incarnation = { process, bus };
      this.#died = begin(this.#incarnation);
    });
  }

  /** As `kill -9` does. */
  kill(): void {
    const incarnation = this.#incarnation;
    if (incarnation === undefined) return;
    this.#setup.time.note(`kills ${incarnation.process.name}`);
    incarnation.process.isAlive = false;
    incarnation.bus.link.die();
    this.#incarnation = undefined;
    this.#died();
  }

  pause(): void {
    if (this.#incarnation === undefined) return;
    this.#setup.time.note(`pauses ${this.#incarnation.process.name}`);
    this.#incarnation.process.isPaused = true;
  }

  resume(): void {
    if (this.#incarnation?.process.isPaused) this.#setup.time.resume(this.#incarnation.process);
  }

  /** Breaks its connection to NATS, which it notices after the time. */
  cutOff(noticedAfterMs: number): void {
    this.#setup.time.note(`cuts ${this.name} off`);
    this.#incarnation?.bus.link.cut(noticedAfterMs);
  }
}
