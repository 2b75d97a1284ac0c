/** Both ways to run the gateway, and the life of one over the tests of a file. */
import { afterAll, beforeAll, expect } from 'vitest';
import { startEmbeddedGateway } from './embedded-gateway.ts';
import { type Gateway, type GatewayOptions, PROMPT_CANARY, SECRET_CANARY } from './gateway.ts';
import { startStackGateway } from './stack-gateway.ts';

export interface GatewayKind<Started extends Gateway = Gateway> {
  readonly name: string;
  readonly start: (options?: GatewayOptions) => Promise<Started>;
}

/** For `describe.each`. */
export const gatewayKinds: readonly GatewayKind[] = [
  { name: 'embedded', start: startEmbeddedGateway },
  { name: 'stack', start: startStackGateway },
];

/** What the embedded gateway greets a person with, the one thing that is no log line. */
const GREETING = /\nThe gateway answers at [\s\S]*?"Hello"\}\]\}'\n/g;

/**
 * Starts a gateway before the tests of the block and ends it after them. Whatever the tests did, every
 * log line is then JSON and holds neither a secret nor a prompt.
 */
export function useGateway<Started extends Gateway>(
  { start }: Pick<GatewayKind<Started>, 'start'>,
  options: GatewayOptions = {},
): () => Started {
  let gateway: Started | undefined;
  beforeAll(async () => {
    gateway = await start(options);
  });
  afterAll(async () => {
    if (gateway === undefined) return;
    const output = await gateway.output();
    await gateway[Symbol.asyncDispose]();
    for (const [process, text] of Object.entries(output)) checkLog(process, text);
  });
  return () => {
    if (gateway === undefined) throw new Error('The gateway has not started.');
    return gateway;
  };
}

function checkLog(process: string, text: string): void {
  const lines = text.replaceAll(GREETING, '\n').split('\n').filter(Boolean);
  expect(lines.length, `log lines of ${process}`).toBeGreaterThan(0);
  for (const line of lines) {
    expect(line, process).not.toMatch(new RegExp(`${PROMPT_CANARY}|${SECRET_CANARY}|gw_\\w+`));
    expect(() => JSON.parse(line), `${process}: ${line}`).not.toThrow();
  }
}
