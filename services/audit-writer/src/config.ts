import {
  type Environment,
  integer,
  parseSettings,
  readAllSettings,
  seconds,
  secret,
  secretUrl,
  text,
} from '@gateway/runtime';
import type { AuditWriterSettings } from './audit-writer.ts';
import { GRACE_DEFAULT_MS } from './close-abandoned.ts';

const POSTGRES_PORT = 5432;
const GRACE_MIN_SECONDS = 0.1;

/** Throws a `SettingsError` with everything that is wrong. */
export function readSettings(environment: Environment): AuditWriterSettings {
  return readAllSettings({
    database: () => readDatabase(environment),
    graceMs: () => readAuditGrace(environment),
  });
}

/** AUDIT_GRACE_SECONDS, in milliseconds. */
export function readAuditGrace(environment: Environment): number {
  const settings = parseSettings(
    {
      graceMs: seconds('AUDIT_GRACE_SECONDS', {
        default: GRACE_DEFAULT_MS,
        min: GRACE_MIN_SECONDS,
        description: 'how long after its deadline a request without an end counts as abandoned',
      }),
    },
    environment,
  );
  return settings.graceMs;
}

/**
 * DATABASE_URL, or POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB;
 * the URL and the password also as NAME_FILE.
 */
function readDatabase(environment: Environment): AuditWriterSettings['database'] {
  const { url, host, ...rest } = parseSettings(
    {
      url: secretUrl('DATABASE_URL', {
        protocols: ['postgres', 'postgresql'],
        optional: true,
        description: 'the PostgreSQL, 15 or newer, that keeps the audit',
      }),
      host: text('POSTGRES_HOST', {
        optional: true,
        description: 'the host of PostgreSQL when DATABASE_URL is not set',
      }),
      port: integer('POSTGRES_PORT', {
        default: POSTGRES_PORT,
        min: 1,
        max: 65_535,
        description: 'the port of PostgreSQL',
      }),
      user: text('POSTGRES_USER', { default: 'gateway', description: 'the user of PostgreSQL' }),
      password: secret('POSTGRES_PASSWORD', {
        optional: true,
        description: 'the password of that user',
      }),
      database: text('POSTGRES_DB', { default: 'gateway', description: 'the database to use' }),
    },
    environment,
    (values, report) => {
      if (values.url === undefined && values.host === undefined) {
        report('DATABASE_URL is required: set it, or DATABASE_URL_FILE, or POSTGRES_HOST');
      } else if (values.url !== undefined && values.host !== undefined) {
        report('DATABASE_URL and POSTGRES_HOST are both set: unset one of them');
      }
    },
  );
  if (url !== undefined) return { kind: 'postgres', url };
  return { kind: 'postgres', host: host ?? '', ...rest };
}
