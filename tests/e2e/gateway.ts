/** What every gateway under test offers, however it runs. */
import type { OtlpReceiver, Simulator } from '@gateway/testing';

/** Text of every prompt; it must never be seen in a log line or a span. */
export const PROMPT_CANARY = 'canary-prompt-5f1c';
/** Part of every secret that a gateway under test is given. */
export const SECRET_CANARY = 'canary-secret-83b0';

export const CLIENT_KEY = `client-${SECRET_CANARY}`;
export const ADMIN_KEY = `admin-${SECRET_CANARY}`;

export interface GatewayOptions {
  /** More of the environment, for example RATE_LIMIT_REQUESTS. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Gateway extends AsyncDisposable {
  readonly baseUrl: string;
  /** The client key of the settings, of the tenant `default`. */
  readonly clientKey: string;
  readonly adminKey: string;
  /** All three vendors. */
  readonly simulator: Simulator;
  /** What the gateway exports its spans to. */
  readonly otlp: OtlpReceiver;
  /** Where `/livez`, `/readyz` and `/metrics` of each process are. */
  readonly operations: Readonly<Record<string, string>>;
  /** Ends what takes requests and what writes the audit, and resolves when they are ready again. */
  restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Everything that the processes have written, a text for each. */
  output(): Promise<Readonly<Record<string, string>>>;
}

/** The settings that are the same however the gateway runs. */
export function settingsFor(
  simulator: Simulator,
  otlp: OtlpReceiver,
  { settings }: GatewayOptions,
): Record<string, string> {
  return {
    LOG_LEVEL: 'debug',
    GATEWAY_API_KEY: CLIENT_KEY,
    GATEWAY_ADMIN_KEY: ADMIN_KEY,
    OPENAI_API_KEY: `openai-${SECRET_CANARY}`,
    ANTHROPIC_API_KEY: `anthropic-${SECRET_CANARY}`,
    GOOGLE_AI_API_KEY: `google-${SECRET_CANARY}`,
    OPENAI_BASE_URL: simulator.baseUrls.openai,
    ANTHROPIC_BASE_URL: simulator.baseUrls.anthropic,
    GOOGLE_AI_BASE_URL: simulator.baseUrls.google,
    OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    // The tests keep connections that they do not use again.
    GATEWAY_LAME_DUCK_SECONDS: '0',
    ...settings,
  };
}
