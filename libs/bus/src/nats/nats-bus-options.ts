import type { Identity } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import type { SpoolOptions } from '../spool/spool.ts';

export interface NatsBusOptions {
  /** One server, or several of a cluster separated by commas: `nats://host:4222`. */
  readonly url: string | readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly identity: Identity;
  readonly logger?: Logger;
  /** For a service that records events: where they wait while JetStream takes none. */
  readonly spool?: SpoolOptions;
}
