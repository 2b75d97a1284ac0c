/**
 * A server that speaks as OpenAI, Anthropic and Google do, well enough for their official clients,
 * with answers that follow from the request, faults on demand (see `directiveTable`) and a ledger.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { anthropic } from './anthropic/anthropic.ts';
import { Exchange, ExchangeOverError } from './exchange.ts';
import { google } from './google/google.ts';
import { type CallSettings, handleCall } from './handle-call.ts';
import { Ledger, type LedgerEntry } from './ledger.ts';
import { openai } from './openai/openai.ts';
import type { Vendor, VendorName } from './vendor.ts';

const vendors: Readonly<Record<VendorName, Vendor>> = { openai, anthropic, google };
const LEDGER_PATH = '/__simulator/ledger';
const RECORDED_HEADERS = [
  'x-gateway-request-id',
  'x-request-id',
  'traceparent',
  'tracestate',
  'user-agent',
  'idempotency-key',
] as const;

export interface SimulatorOptions {
  /** Default: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** The keys that each vendor accepts. Default: any key. */
  readonly keys?: Partial<Readonly<Record<VendorName, readonly string[]>>>;
  /** Time to the first byte. Default 0. */
  readonly firstByteMs?: number;
  /** Events of a stream in a second. Default: as fast as the client takes them. */
  readonly tokensPerSecond?: number;
  /** Gets the ledger as JSON lines. */
  readonly ledgerFile?: string;
}

export interface Simulator extends AsyncDisposable {
  readonly port: number;
  /** As the vendors' own clients expect them: OpenAI's with /v1, the others' without a version. */
  readonly baseUrls: Readonly<Record<VendorName, string>>;
  readonly ledger: readonly Readonly<LedgerEntry>[];
  /** The first entry of the ledger that the predicate accepts; default at most 10 s. */
  waitFor(
    predicate: (entry: Readonly<LedgerEntry>) => boolean,
    timeoutMs?: number,
  ): Promise<Readonly<LedgerEntry>>;
  /** Empties the ledger and forgets the calls that failed as asked. */
  clear(): void;
  /** Ends, and cuts what is open. */
  stop(): Promise<void>;
}

function recordedHeaders(request: IncomingMessage): Record<string, string> {
  const recorded: Record<string, string> = {};
  for (const name of RECORDED_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') recorded[name] = value;
  }
  return recorded;
}

/** The vendor that a path belongs to, and the path as the vendor has it. */
function routeOf(pathname: string): { vendor: Vendor; path: string } | undefined {
  const match = /^\/(openai|anthropic|google)(\/.*)$/.exec(pathname);
  const vendor = vendors[match?.[1] as VendorName];
  return match?.[2] === undefined ? undefined : { vendor, path: match[2] };
}

function answerLedger(
  request: IncomingMessage,
  response: ServerResponse,
  ledger: Ledger,
  clear: () => void,
): void {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(ledger.entries));
    return;
  }
  if (request.method === 'DELETE') clear();
  response.writeHead(request.method === 'DELETE' ? 204 : 405).end();
}

/** Starts the simulator. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const ledger = new Ledger(options.ledgerFile);
  const failures = new Map<string, number>();
  const clear = () => {
    ledger.clear();
    failures.clear();
  };
  const defaults: CallSettings['defaults'] = {
    ...(options.firstByteMs !== undefined && { delayMs: options.firstByteMs }),
    ...(options.tokensPerSecond !== undefined && { dripMs: 1000 / options.tokensPerSecond }),
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://simulator');
    if (url.pathname === LEDGER_PATH) return answerLedger(request, response, ledger, clear);
    const route = routeOf(url.pathname);
    if (route === undefined) return void response.writeHead(404).end();
    const { vendor, path } = route;
    const method = request.method ?? '';
    const headers = recordedHeaders(request);
    const entry = ledger.open({ vendor: vendor.name, method, path, headers });
    const exchange = new Exchange(request, response, ledger, entry);
    url.pathname = path;
    const keys = options.keys?.[vendor.name];
    return handleCall(vendor, exchange, url, { keys, defaults, failures });
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (error instanceof ExchangeOverError || response.destroyed) return;
      response.destroy(error as Error);
    });
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  const origin = `http://${options.host ?? '127.0.0.1'}:${port}`;
  return {
    port,
    baseUrls: {
      openai: `${origin}/openai/v1`,
      anthropic: `${origin}/anthropic`,
      google: `${origin}/google`,
    },
    ledger: ledger.entries,
    waitFor: (predicate, timeoutMs) => ledger.waitFor(predicate, timeoutMs),
    clear,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
