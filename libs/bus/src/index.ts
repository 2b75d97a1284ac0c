export type {
  Backlog,
  BatchHandler,
  Bucket,
  BucketWatcher,
  Bus,
  CallHandler,
  CallOptions,
  ConsumeOptions,
  Delivery,
  Entry,
  IncomingCall,
  Message,
  OutgoingCall,
  PublishOptions,
  ReplyFrame,
  RequestHandler,
  RequestOptions,
  RespondOptions,
  ServeOptions,
  Subscription,
} from './bus.ts';
export { lockDirectory } from './in-process/directory-lock.ts';
export { type InProcessHub, openInProcessHub } from './in-process/hub.ts';
export { replaceFile } from './in-process/replace-file.ts';
export { NatsSetupError } from './nats/connection-keeper.ts';
export { connectNatsBus } from './nats/nats-bus.ts';
export type { NatsBusOptions } from './nats/nats-bus-options.ts';
export { type ProvisionOptions, provisionNats } from './nats/provision.ts';
export { type BusServiceDefinition, runOnNats } from './nats/run-on-nats.ts';
