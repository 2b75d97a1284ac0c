export { spawnTied } from './die-with-parent.ts';
export { type Direction, type FaultProxy, startFaultProxy } from './fault-proxy.ts';
export { fixturesDirectory, fixturesMissingMessage } from './fixtures-directory.ts';
export { putNewLedger } from './new-ledger.ts';
export {
  type NodeProcess,
  type NodeProcessOptions,
  ProcessEndedError,
  type ProcessExit,
  startNodeProcess,
} from './node-process.ts';
export {
  type Attributes,
  type OtlpReceiver,
  type ReceivedSpan,
  startOtlpReceiver,
} from './otlp-receiver.ts';
export { repositoryRoot } from './repository-root.ts';
export { freeLoopbackPort } from './servers/loopback-port.ts';
export { MissingServerError } from './servers/missing-server-error.ts';
export { type NatsOptions, startNats } from './servers/nats.ts';
export { type PostgresOptions, type PostgresServer, startPostgres } from './servers/postgres.ts';
export { startRedis } from './servers/redis.ts';
export type { ServerOptions } from './servers/server-directory.ts';
export { type RunningServer, ServerStartError } from './servers/server-process.ts';
export type { Usage as SimulatedUsage } from './simulator/answer.ts';
export { directiveTable } from './simulator/directives.ts';
export type { Ending, LedgerEntry } from './simulator/ledger.ts';
export {
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from './simulator/start-simulator.ts';
export type { VendorName } from './simulator/vendor.ts';
export type { Toxics } from './toxic-pipe.ts';
export { type WaitForOptions, WaitTimeoutError, waitFor } from './wait-for.ts';
