import type { AllInOne } from './all-in-one.ts';

const KEY_PLACEHOLDER = '<your key>';

/** What a person who started the gateway wants to know. */
export function greeting({ ingress, firstKeys }: AllInOne): string {
  const host = ingress.host.includes(':') ? `[${ingress.host}]` : ingress.host;
  const address = `http://${host}:${ingress.port}`;
  const keys = firstKeys
    ? `
These keys were made now and are shown once:
  client key  ${firstKeys.client}
  admin key   ${firstKeys.admin}
`
    : '';
  return `
The gateway answers at ${address}
${keys}
  curl ${address}/v1/chat/completions \\
    -H 'authorization: Bearer ${firstKeys?.client ?? KEY_PLACEHOLDER}' \\
    -H 'content-type: application/json' \\
    -d '{"model":"demo","messages":[{"role":"user","content":"Hello"}]}'

`;
}
