/** Starts the gateway of a project before its tests, in the process that all of them share. */
import type { TestProject } from 'vitest/node';
import { startEmbeddedGateway } from '../e2e/embedded-gateway.ts';
import { startStackGateway } from '../e2e/stack-gateway.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly baseUrl: string;
    readonly clientKey: string;
    readonly adminKey: string;
    readonly ledgerUrl: string;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const start = project.name === 'stack' ? startStackGateway : startEmbeddedGateway;
  const gateway = await start();
  project.provide('baseUrl', gateway.baseUrl);
  project.provide('clientKey', gateway.clientKey);
  project.provide('adminKey', gateway.adminKey);
  const ledgerUrl = `http://127.0.0.1:${gateway.simulator.port}/__simulator/ledger`;
  project.provide('ledgerUrl', ledgerUrl);
  return async () => {
    await gateway[Symbol.asyncDispose]();
  };
}
