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
  FrameConsumer,
  IncomingCall,
  Message,
  OutgoingCall,
  PublishOptions,
  RecordOptions,
  ReplyFrame,
  RequestHandler,
  RequestOptions,
  RespondOptions,
  ServeOptions,
  SpoolState,
  Subscription,
} from './bus.ts';
export { type InProcessHub, openInProcessHub } from './in-process/hub.ts';
export { lockDirectory } from './log/directory-lock.ts';
export { replaceFile } from './log/replace-file.ts';
export { connectNatsBus, provisionNats } from './nats/load-on-use.ts';
export type { NatsBusOptions } from './nats/nats-bus-options.ts';
export type { ProvisionOptions } from './nats/provision.ts';
export { type BusServiceDefinition, runOnNats } from './nats/run-on-nats.ts';
