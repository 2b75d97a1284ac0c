/**
 * A recorded case as the replay reads it: bytes of the provider and facts that were read from them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProviderDialect } from '../src/index.ts';

export interface RecordedToolCall {
  readonly id: string | null;
  readonly name: string;
  readonly args: string;
}

export interface RecordedFacts {
  readonly text: readonly string[];
  readonly tool_calls: readonly RecordedToolCall[];
  readonly finish: readonly string[];
  readonly usage: Readonly<Record<string, unknown>> | null;
  readonly reasoning: string;
  readonly refusal?: string;
  readonly error?: unknown;
}

export interface RecordedCase {
  readonly id: string;
  readonly dialect: ProviderDialect;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly facts: RecordedFacts;
  readonly isStream: boolean;
  readonly body: Uint8Array;
  readonly request: Uint8Array | undefined;
}

/** By the name that the recordings have for the API. */
const HUB_APIS: Readonly<Record<string, ProviderDialect>> = {
  chat: 'chat',
  messages: 'messages',
  generateContent: 'gemini',
  streamGenerateContent: 'gemini',
};

export function recordedCases(
  directory: string,
  apis: Readonly<Record<string, ProviderDialect>> = HUB_APIS,
): RecordedCase[] {
  const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as {
    cases: readonly { id: string; api: string; status: number }[];
  };
  return index.cases.flatMap(({ id, api, status }) => {
    const dialect = apis[api];
    if (dialect === undefined) return [];
    const meta = JSON.parse(readFileSync(join(directory, id, 'meta.json'), 'utf8')) as {
      facts: RecordedFacts;
      response_headers: Readonly<Record<string, string>> | null;
    };
    const stream = readIfThere(join(directory, id, 'stream.sse'));
    const body =
      stream ??
      readIfThere(join(directory, id, 'response.json')) ??
      readIfThere(join(directory, id, 'response.txt')) ??
      new Uint8Array();
    const request = readIfThere(join(directory, id, 'request.json'));
    const headers = meta.response_headers ?? {};
    const isStream = stream !== undefined;
    return [{ id, dialect, status, headers, facts: meta.facts, isStream, body, request }];
  });
}

function readIfThere(path: string): Uint8Array | undefined {
  return existsSync(path) ? readFileSync(path) : undefined;
}
