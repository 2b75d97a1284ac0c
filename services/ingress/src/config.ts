import { isIP } from 'node:net';
import {
  type Configuration,
  KEY_TEXT_LENGTH_MAX,
  KEY_TEXT_LENGTH_MIN,
  keyTextIsPlausible,
  type RequestLimit,
} from '@gateway/protocol';
import {
  type Environment,
  integer,
  list,
  parseSettings,
  port,
  readAllSettings,
  type Secret,
  seconds,
  secret,
  text,
} from '@gateway/runtime';
import { readGatewayFile } from './gateway-file.ts';
import { NETWORK_NAMES } from './trusted-proxies.ts';

export interface IngressSettings {
  readonly host: string;
  readonly port: number;
  readonly bodyBytesMax: number;
  /** Of request bodies and whole answers that are held at once. */
  readonly bufferedBytesMax: number;
  readonly connectionsMax: number;
  /** Of one IPv4 address or one IPv6 /64; trusted proxies are not bound by it. */
  readonly connectionsPerAddressMax: number;
  readonly runningRequestsMax: number;
  /** How long requests are still taken after the process was told to stop. */
  readonly lameDuckMs: number;
  /** Addresses and networks of proxies whose `x-forwarded-for` is believed. */
  readonly trustedProxies: readonly string[];
  readonly pepper: Secret;
  readonly bootstrapKeys: { readonly client?: Secret; readonly admin?: Secret };
  readonly configuration: Configuration;
}

const MEBIBYTE = 1024 * 1024;

/**
 * For `localhost` Fastify listens at every address that the name has, but only the connections of the
 * first listener are bounded and drained. So it means one address.
 */
const LOCALHOST = '127.0.0.1';

/** What only an ingress with replicas needs to be told. */
type ReplicaSettings = Pick<IngressSettings, 'pepper' | 'lameDuckMs'>;

/**
 * Everything but what replicas need: the embedded gateway makes its pepper for itself, and nobody
 * else could take its clients while it stops.
 */
export function readIngressSettings(
  environment: Environment,
): Omit<IngressSettings, keyof ReplicaSettings> {
  const { edge, configuration } = readAllSettings({
    edge: () => readEdge(environment),
    configuration: () => readConfiguration(environment),
  });
  const { apiKey, adminKey, host, ...rest } = edge;
  return {
    ...rest,
    host: host === 'localhost' ? LOCALHOST : host,
    configuration,
    bootstrapKeys: { ...(apiKey && { client: apiKey }), ...(adminKey && { admin: adminKey }) },
  };
}

/** The settings of an ingress that runs by itself: its replicas share one pepper. */
export function readSettings(environment: Environment): IngressSettings {
  const { ingress, shared } = readAllSettings({
    ingress: () => readIngressSettings(environment),
    shared: () =>
      parseSettings(
        {
          pepper: secret('GATEWAY_KEY_PEPPER', {
            lengthMin: 16,
            description: 'the secret that keys are hashed with, the same in every replica',
          }),
          lameDuckMs: seconds('GATEWAY_LAME_DUCK_SECONDS', {
            default: 5_000,
            max: 600,
            description: 'how long requests are still taken after SIGTERM, while clients leave',
          }),
        },
        environment,
      ),
  });
  return { ...ingress, ...shared };
}

function readEdge(environment: Environment) {
  return parseSettings(
    {
      host: text('GATEWAY_HOST', {
        default: '127.0.0.1',
        description: 'the address that clients connect to',
      }),
      port: port('GATEWAY_PORT', {
        default: 8080,
        description: 'the port that clients connect to; 0 for any',
      }),
      bodyBytesMax: integer('GATEWAY_MAX_BODY_BYTES', {
        default: 32 * MEBIBYTE,
        min: 1024,
        max: 256 * MEBIBYTE,
        description: 'the largest request body taken, in bytes',
      }),
      bufferedBytesMax: integer('GATEWAY_MAX_BUFFERED_BYTES', {
        default: 512 * MEBIBYTE,
        min: 1024,
        max: 1024 * 1024 * MEBIBYTE,
        description: 'bytes of request bodies and whole answers held at once',
      }),
      connectionsMax: integer('GATEWAY_MAX_CONNECTIONS', {
        default: 20_000,
        min: 1,
        max: 1_000_000,
        description: 'connections of clients that may be open at once',
      }),
      connectionsPerAddressMax: integer('GATEWAY_MAX_CONNECTIONS_PER_ADDRESS', {
        default: 1_024,
        min: 1,
        max: 1_000_000,
        description: 'connections of one client address that may be open at once',
      }),
      runningRequestsMax: integer('GATEWAY_MAX_RUNNING_REQUESTS', {
        default: 10_000,
        min: 1,
        max: 1_000_000,
        description: 'requests of clients that may run at once',
      }),
      trustedProxies: list('GATEWAY_TRUSTED_PROXIES', {
        default: [],
        description: 'addresses or networks of proxies whose x-forwarded-for is believed',
      }),
      apiKey: secret('GATEWAY_API_KEY', {
        optional: true,
        lengthMin: KEY_TEXT_LENGTH_MIN,
        description: 'a client key that exists without being created',
      }),
      adminKey: secret('GATEWAY_ADMIN_KEY', {
        optional: true,
        lengthMin: KEY_TEXT_LENGTH_MIN,
        description: 'an admin key that exists without being created',
      }),
    },
    environment,
    ({ apiKey, adminKey, trustedProxies, bodyBytesMax, bufferedBytesMax }, report) => {
      if (bufferedBytesMax < 2 * bodyBytesMax) {
        report('GATEWAY_MAX_BUFFERED_BYTES must be at least twice GATEWAY_MAX_BODY_BYTES');
      }
      if (apiKey && adminKey && apiKey.reveal() === adminKey.reveal()) {
        report('GATEWAY_API_KEY and GATEWAY_ADMIN_KEY must differ');
      }
      for (const [name, key] of Object.entries({
        GATEWAY_API_KEY: apiKey,
        GATEWAY_ADMIN_KEY: adminKey,
      })) {
        if (key && !isPresentable(key.reveal())) {
          report(
            `${name} must be at most ${KEY_TEXT_LENGTH_MAX} visible ASCII characters, or a key that the gateway made`,
          );
        }
      }
      for (const [index, proxy] of trustedProxies.entries()) {
        if (!isAddressOrNetwork(proxy)) report(notTrustable(index + 1));
      }
    },
  );
}

/** Whether clients can send the key, and it is not one of the gateway's own with a typing error. */
function isPresentable(key: string): boolean {
  return /^[\x21-\x7e]+$/.test(key) && keyTextIsPlausible(key);
}

function isAddressOrNetwork(text: string): boolean {
  if (NETWORK_NAMES.includes(text)) return true;
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : 0;
  return bits >= 1 && bits <= (version === 4 ? 32 : 128);
}

function notTrustable(position: number): string {
  const forms = `an address, a network such as 10.0.0.0/8, or ${NETWORK_NAMES.join(', ')}`;
  return `GATEWAY_TRUSTED_PROXIES: value ${position} must be ${forms}`;
}

function readConfiguration(environment: Environment): Configuration {
  const read = readAllSettings({
    limit: () => readKeyLimit(environment),
    // Checked also where the limit is wrong, so that all problems are told at once.
    file: () => {
      const { path } = parseSettings(
        {
          path: text('GATEWAY_CONFIG', {
            optional: true,
            description: 'the YAML file of providers, models, limits and cache',
          }),
        },
        environment,
      );
      return { path, checked: readGatewayFile(path, undefined) };
    },
  });
  const { file, limit } = read;
  return limit ? readGatewayFile(file.path, limit) : file.checked;
}

function readKeyLimit(environment: Environment): RequestLimit | undefined {
  const { requests, windowSeconds } = parseSettings(
    {
      requests: integer('RATE_LIMIT_REQUESTS', {
        optional: true,
        min: 1,
        max: 1_000_000_000,
        description: 'requests that a key may make in each window, unless it has its own limit',
      }),
      windowSeconds: integer('RATE_LIMIT_WINDOW', {
        default: 3600,
        min: 1,
        max: 31 * 24 * 60 * 60,
        description: 'the length of that window in seconds',
      }),
    },
    environment,
  );
  return requests === undefined ? undefined : { requests, windowSeconds };
}
