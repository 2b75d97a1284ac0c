import { type Environment, parseSettings, secret, text, url } from '@gateway/runtime';

export function readSettings(environment: Environment) {
  return parseSettings(
    {
      url: url('NATS_URL', { protocols: ['nats', 'tls'], description: 'the NATS server' }),
      user: text('NATS_USER', { optional: true, description: 'the user that may provision' }),
      password: secret('NATS_PASSWORD', {
        optional: true,
        description: 'the password of the user',
      }),
    },
    environment,
  );
}
