import type { Identity, ServiceName } from '@gateway/protocol';
import {
  type Environment,
  type NatsSettings,
  readAllSettings,
  readNatsSettings,
  readSpoolSettings,
  runService,
  type ServiceContext,
  type SpoolSettings,
} from '@gateway/runtime';
import type { Bus } from '../bus.ts';
import { connectNatsBus } from './load-on-use.ts';

export interface BusServiceDefinition<Settings> {
  readonly name: ServiceName;
  /** Whether it records events, and so needs a spool. */
  readonly hasSpool?: true;
  /** The service's own settings; those of the bus and of its spool are read here. */
  readonly readSettings: (environment: Environment) => Settings;
  readonly start: (
    settings: Settings,
    context: ServiceContext & { readonly bus: Bus },
  ) => Promise<AsyncDisposable>;
}

/** Runs a service as this process, on a NATS server. The whole of its `main.ts`. */
export async function runOnNats<Settings>(
  definition: BusServiceDefinition<Settings>,
): Promise<void> {
  const { name, hasSpool } = definition;
  await runService({
    name,
    readSettings: (environment) =>
      readAllSettings({
        nats: () => readNatsSettings(environment),
        spool: () => (hasSpool ? readSpoolSettings(environment) : undefined),
        service: () => definition.readSettings(environment),
      }),
    start: async ({ nats, spool, service }, context) => {
      const { instance, logger, health } = context;
      const identity: Identity = { service: name, instance };
      await using resources = new AsyncDisposableStack();
      const bus = resources.use(await connect(nats, spool, identity, logger));
      resources.use(health.register('clock', () => bus.clockSkew ?? true));
      if (hasSpool) resources.use(health.register('spool', () => spoolRemark(bus)));
      resources.use(await definition.start(service, { ...context, bus }));
      return resources.move();
    },
  });
}

function spoolRemark({ spool: { events, bytes } }: Bus): true | { readonly remark: string } {
  return events === 0 || { remark: `${events} events wait, ${bytes} bytes` };
}

function connect(
  { url, user, password }: NatsSettings,
  spool: SpoolSettings | undefined,
  identity: Identity,
  logger: ServiceContext['logger'],
): Promise<Bus> {
  return connectNatsBus({
    url,
    identity,
    logger,
    ...(user !== undefined && { user }),
    ...(password && { password: password.reveal() }),
    ...(spool && { spool }),
  });
}
