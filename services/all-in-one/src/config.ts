import { readAuditGrace } from '@gateway/audit-writer';
import { type IngressSettings, readIngressSettings } from '@gateway/ingress';
import { readSettings as readWorkerSettings, type WorkerSettings } from '@gateway/provider-worker';
import {
  type Environment,
  parseSettings,
  readAllSettings,
  type Secret,
  secret,
  text,
} from '@gateway/runtime';

export const PEPPER_LENGTH_MIN = 16;

export interface EmbeddedSettings {
  /** Held by one process at a time: events, keys, the audit's database and the pepper. */
  readonly directory: string;
  /** Made and kept in the directory when it is not set. */
  readonly pepper: Secret | undefined;
  readonly ingress: Omit<IngressSettings, 'pepper' | 'lameDuckMs'>;
  readonly worker: WorkerSettings;
  /** How long after its deadline a request without an end counts as abandoned. */
  readonly auditGraceMs: number;
}

export function readSettings(environment: Environment): EmbeddedSettings {
  const { embedded, ...services } = readAllSettings({
    embedded: () =>
      parseSettings(
        {
          directory: text('GATEWAY_DATA_DIR', {
            default: '.data/embedded',
            description: 'where the embedded gateway keeps everything',
          }),
          pepper: secret('GATEWAY_KEY_PEPPER', {
            optional: true,
            lengthMin: PEPPER_LENGTH_MIN,
            description: 'the secret that keys are hashed with; made when it is not set',
          }),
        },
        environment,
      ),
    ingress: () => readIngressSettings(environment),
    worker: () => readWorkerSettings(environment),
    auditGraceMs: () => readAuditGrace(environment),
  });
  return { ...embedded, ...services };
}
