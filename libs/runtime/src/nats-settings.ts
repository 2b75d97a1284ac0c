import { parseSettings } from './settings.ts';
import { type Environment, secret, text, url } from './settings-fields.ts';

export type NatsSettings = ReturnType<typeof readNatsSettings>;

/** How a service that is a process of its own reaches the bus. */
export function readNatsSettings(environment: Environment) {
  return parseSettings(
    {
      url: url('NATS_URL', { protocols: ['nats', 'tls'], description: 'the NATS server' }),
      user: text('NATS_USER', { optional: true, description: 'the NATS user of this service' }),
      password: secret('NATS_PASSWORD', {
        optional: true,
        description: 'the password of the NATS user',
      }),
    },
    environment,
  );
}
