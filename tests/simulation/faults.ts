/** What goes wrong, and how it is mended. */
import type { Gateway } from './gateway.ts';
import type { Machine } from './machine.ts';
import type { FaultKind, PlannedFault } from './schedule.ts';

const NOTICED_MAX_MS = 3_000;

interface Fault {
  readonly begin: (gateway: Gateway, fault: PlannedFault) => void;
  readonly end?: (gateway: Gateway, fault: PlannedFault) => void;
}

type Choice = (gateway: Gateway, fault: PlannedFault) => Machine | undefined;

const ingress: Choice = ({ ingresses }, { number }) => ingresses[number];
const worker: Choice = ({ workers }, { number }) => workers[number];
const limiter: Choice = ({ limiters }, { number }) => limiters[number];
const writer: Choice = (gateway) => gateway.writer;

function kill(choice: Choice): Fault {
  return {
    begin: (gateway, fault) => choice(gateway, fault)?.kill(),
    end: (gateway, fault) => choice(gateway, fault)?.start(),
  };
}

function pause(choice: Choice): Fault {
  return {
    begin: (gateway, fault) => choice(gateway, fault)?.pause(),
    end: (gateway, fault) => choice(gateway, fault)?.resume(),
  };
}

/** The connection comes back by itself, soon after its loss was noticed. */
function cutOff(choice: Choice): Fault {
  return {
    begin: (gateway, fault) =>
      choice(gateway, fault)?.cutOff(Math.min(fault.forMs, NOTICED_MAX_MS)),
  };
}

const FAULTS: Readonly<Record<FaultKind, Fault>> = {
  'kill-ingress': kill(ingress),
  'kill-worker': kill(worker),
  'kill-limiter': kill(limiter),
  'kill-writer': kill(writer),
  'pause-ingress': pause(ingress),
  'pause-worker': pause(worker),
  'pause-writer': pause(writer),
  'cut-ingress': cutOff(ingress),
  'cut-worker': cutOff(worker),
  'kill-nats': {
    begin: ({ nats }) => nats.kill(),
    end: ({ nats }) => {
      nats.isUp = true;
    },
  },
  'pause-nats': { begin: ({ nats }) => nats.pause(), end: ({ nats }) => nats.resume() },
  'full-store': {
    begin: ({ nats }) => {
      nats.storeRefusal = 'insufficient resources';
    },
    end: ({ nats }) => {
      nats.storeRefusal = undefined;
    },
  },
  'limiter-away': {
    begin: (gateway) => {
      gateway.limiter.isAway = true;
    },
    end: (gateway) => {
      gateway.limiter.isAway = false;
    },
  },
};

export function applyFault(gateway: Gateway, fault: PlannedFault): void {
  gateway.time.note(`fault ${fault.kind} ${fault.number}`);
  FAULTS[fault.kind].begin(gateway, fault);
}

export function mendFault(gateway: Gateway, fault: PlannedFault): void {
  gateway.time.note(`mends ${fault.kind} ${fault.number}`);
  FAULTS[fault.kind].end?.(gateway, fault);
}
