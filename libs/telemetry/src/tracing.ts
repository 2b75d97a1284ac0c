import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { Logger } from './logger.ts';
import { getMeter } from './metrics.ts';

const SHUTDOWN_TIMEOUT_MS = 3000;

export type TelemetryOptions = {
  /** Without prefix, for example `ingress`; the resource is named `gateway-ingress`. */
  readonly service: string;
  /** The incarnation id of this process. */
  readonly instance: string;
  readonly version: string;
  /** Takes the SDK's own warnings, such as a collector that cannot be reached. */
  readonly logger?: Logger;
};

export type Telemetry = {
  /** Whether spans are made and exported. */
  readonly isTracing: boolean;
  /** Sends the spans that wait. Gives up after `timeoutMs` (3 s) and never rejects. */
  shutdown(timeoutMs?: number): Promise<void>;
};

/**
 * Starts tracing when an OTLP endpoint is set in the environment.
 *
 * This lib alone relies on `OTEL_*`; the SDK reads them itself (endpoint, headers, sampler, batch
 * sizes, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`). With no endpoint
 * the SDK, a quarter of a second of start-up, is not even loaded: no spans are made, but the trace
 * context of a caller still flows through, since the API's own spans carry their parent's context.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const contextManager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(contextManager);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  reportBuild(options);
  if (options.logger !== undefined) forwardDiagnostics(options.logger);

  const stopExport = isExportConfigured() ? await startExport(options) : undefined;
  return {
    isTracing: stopExport !== undefined,
    async shutdown(timeoutMs = SHUTDOWN_TIMEOUT_MS) {
      if (stopExport !== undefined) await settledWithin(stopExport(), timeoutMs);
      trace.disable();
      propagation.disable();
      context.disable();
      diag.disable();
    },
  };
}

function isExportConfigured(): boolean {
  const environment = process.env;
  if (environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  const endpoint =
    environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  return Boolean(endpoint?.trim()) && environment.OTEL_TRACES_EXPORTER?.trim() !== 'none';
}

/** OTLP over HTTP as JSON, unless `OTEL_EXPORTER_OTLP_PROTOCOL` asks for another encoding. */
function isProtocolChosen(): boolean {
  const environment = process.env;
  return Boolean(
    environment.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || environment.OTEL_EXPORTER_OTLP_PROTOCOL,
  );
}

async function startExport(options: TelemetryOptions): Promise<() => Promise<void>> {
  const [
    { NodeSDK },
    { OTLPTraceExporter },
    { defaultResource, envDetector, resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const resource = resourceFromAttributes({
    'service.name': `gateway-${options.service}`,
    'service.instance.id': options.instance,
    'service.version': options.version,
  });
  const sdk = new NodeSDK({
    resource: defaultResource().merge(resource),
    resourceDetectors: [envDetector],
    ...(isProtocolChosen() ? {} : { traceExporter: new OTLPTraceExporter() }),
    // The context manager and the propagator are registered already; metrics are Prometheus' and
    // logs go to standard output, so nothing else is exported.
    contextManager: null as never,
    textMapPropagator: null,
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  return () => sdk.shutdown();
}

function reportBuild(options: TelemetryOptions): void {
  getMeter('telemetry')
    .createObservableGauge('gateway.build_info', {
      description: 'What runs here; the value is always 1',
    })
    .addCallback((result) =>
      result.observe(1, {
        service: options.service,
        instance: options.instance,
        version: options.version,
      }),
    );
}

function forwardDiagnostics(logger: Logger): void {
  const component = logger.child({ component: 'opentelemetry' });
  const log = {
    error: (message: string) => component.warn(message),
    warn: (message: string) => component.warn(message),
    info: (message: string) => component.info(message),
    debug: (message: string) => component.debug(message),
    verbose: (message: string) => component.trace(message),
  };
  diag.setLogger(log, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

async function settledWithin(work: Promise<void>, timeoutMs: number): Promise<void> {
  const expired = Promise.withResolvers<void>();
  const timer = setTimeout(expired.resolve, timeoutMs);
  await Promise.race([work.catch(() => {}), expired.promise]);
  clearTimeout(timer);
}
