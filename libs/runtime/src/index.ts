export { type Due, DueList } from './due-list.ts';
export { type Health, type HealthCheck, HealthChecks, type Readiness } from './health.ts';
export { InFlight, InFlightMap } from './in-flight.ts';
export { type NatsSettings, readNatsSettings } from './nats-settings.ts';
export {
  type OperationsServer,
  type OperationsServerOptions,
  startOperationsServer,
} from './operations-server.ts';
export {
  contextFor,
  runService,
  type ServiceContext,
  type ServiceDefinition,
} from './run-service.ts';
export { Secret } from './secret.ts';
export { parseSettings, readAllSettings, SettingsError } from './settings.ts';
export {
  type Environment,
  type Field,
  type FieldOptions,
  flag,
  InvalidSetting,
  integer,
  list,
  oneOf,
  port,
  seconds,
  secret,
  secretUrl,
  text,
  url,
} from './settings-fields.ts';
export { readSpoolSettings, type SpoolSettings } from './spool-settings.ts';
export { listenAt, StartError } from './start-error.ts';
export { TurnBatch } from './turn-batch.ts';
