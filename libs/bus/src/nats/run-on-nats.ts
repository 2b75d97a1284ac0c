import type { Identity, ServiceName } from '@gateway/protocol';
import {
  type Environment,
  type NatsSettings,
  readAllSettings,
  readNatsSettings,
  runService,
  type ServiceContext,
} from '@gateway/runtime';
import type { Bus } from '../bus.ts';
import { connectNatsBus } from './nats-bus.ts';

export interface BusServiceDefinition<Settings> {
  readonly name: ServiceName;
  /** The service's own settings; those of the bus are read here. */
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
  const { name } = definition;
  await runService({
    name,
    readSettings: (environment) =>
      readAllSettings({
        nats: () => readNatsSettings(environment),
        service: () => definition.readSettings(environment),
      }),
    start: async ({ nats, service }, context) => {
      const { instance, logger } = context;
      const identity: Identity = { service: name, instance };
      await using resources = new AsyncDisposableStack();
      const bus = resources.use(await connect(nats, identity, logger));
      resources.use(await definition.start(service, { ...context, bus }));
      return resources.move();
    },
  });
}

function connect(
  { url, user, password }: NatsSettings,
  identity: Identity,
  logger: ServiceContext['logger'],
): Promise<Bus> {
  return connectNatsBus({
    url,
    identity,
    logger,
    ...(user !== undefined && { user }),
    ...(password && { password: password.reveal() }),
  });
}
