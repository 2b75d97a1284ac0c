/** A service of the stack must not be handed a secret that only another one reads. */
import { SERVICES } from '@gateway/protocol';
import { withoutSecretsOfOthers } from '@gateway/stack';
import { expect, test } from 'vitest';
import { namesRead } from './settings-read.ts';

/** Each service gets its own from the stack itself. */
const GIVEN = /^(NATS|REDIS|POSTGRES)_PASSWORD|^(REDIS|DATABASE)_URL/;

const secrets = SERVICES.flatMap((service) => [...namesRead(service)])
  .filter((name) => name.endsWith('_FILE') && name !== 'LOG_FILE' && !GIVEN.test(name))
  .flatMap((name) => [name, name.replace(/_FILE$/, '')]);

test.each(SERVICES)('%s gets the secrets that it reads and no others', (service) => {
  expect(secrets).toContain('OPENAI_API_KEY');
  const all = Object.fromEntries([...secrets, 'LOCAL_KEY', 'LOG_LEVEL'].map((name) => [name, 'x']));
  const read = namesRead(service);
  const expected = [...new Set(secrets)].filter((name) => read.has(name));
  expect(Object.keys(withoutSecretsOfOthers(all, service)).sort()).toEqual(
    [...expected, 'LOCAL_KEY', 'LOG_LEVEL'].sort(),
  );
});
