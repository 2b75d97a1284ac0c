/** A provider as the YAML file has it, and the definition that it becomes. */
import {
  googleLocation,
  googleProject,
  PROVIDER_KINDS,
  type ProviderDefinition,
  type ProviderKind,
  providerQuery,
  secretReference,
} from '@gateway/protocol';
import { z } from 'zod';

/** The configuration is shown to every service, so a password must not stand in an address. */
const baseUrl = z
  .url({ protocol: /^https?$/ })
  .refine(
    (text) => {
      const { username, password } = new URL(text);
      return username === '' && password === '';
    },
    { message: 'must not hold a user name or password', when: ({ issues }) => issues.length === 0 },
  )
  .refine((text) => new URL(text).search === '', {
    message: 'must not have a query: its parameters stand in query',
    when: ({ issues }) => issues.length === 0,
  });

/** The same holds for parameters, and addresses end up in logs. */
const CREDENTIAL_PARAMETER = /(?:^|[-_.])(?:key|token|secret|password|sig|signature|code)$/i;

const query = providerQuery.refine(
  (parameters) => !Object.keys(parameters).some((name) => CREDENTIAL_PARAMETER.test(name)),
  { message: 'must not hold a credential', when: ({ issues }) => issues.length === 0 },
);

export const providerEntry = z.strictObject({
  kind: z.enum(PROVIDER_KINDS).optional(),
  base_url: baseUrl.optional(),
  api_key: secretReference.optional(),
  responses: z.boolean().optional(),
  query: query.optional(),
  project: googleProject.optional(),
  location: googleLocation.optional(),
});

export type ProviderEntry = z.infer<typeof providerEntry>;
type EntryField = keyof ProviderEntry;

/** What the kinds need, and which fields are of these kinds alone. */
const NEEDED: Partial<Record<ProviderKind, readonly EntryField[]>> = {
  'openai-compatible': ['base_url'],
  azure: ['base_url'],
  vertex: ['project', 'location'],
};
const KINDS_OF_FIELD: Partial<Record<EntryField, readonly ProviderKind[]>> = {
  responses: ['openai-compatible', 'azure'],
  query: ['openai-compatible', 'azure'],
  project: ['vertex'],
  location: ['vertex'],
};

export interface WrongEntry {
  /** Absent for what is missing. */
  readonly field?: EntryField;
  readonly message: string;
}

/** What is wrong with an entry for the kind that it is of. */
export function wrongInEntry(
  name: string,
  kind: ProviderKind,
  entry: ProviderEntry,
): readonly WrongEntry[] {
  const missing = (NEEDED[kind] ?? []).filter((field) => entry[field] === undefined);
  const fields = Object.keys(KINDS_OF_FIELD) as EntryField[];
  const foreign = fields.filter(
    (field) => entry[field] !== undefined && !KINDS_OF_FIELD[field]?.includes(kind),
  );
  return [
    ...missing.map((field) => ({ message: `provider ${name} needs a ${field}` })),
    ...foreign.map((field) => ({
      field,
      message: `provider ${name}: ${field} is for the kinds ${KINDS_OF_FIELD[field]?.join(', ')}`,
    })),
  ];
}

export function toProviderDefinition(
  name: string,
  kind: ProviderKind,
  entry: ProviderEntry,
): ProviderDefinition {
  const { base_url: address, api_key: credential, responses, project, location } = entry;
  return {
    name,
    kind,
    ...(address !== undefined && { baseUrl: address }),
    ...(credential !== undefined && { credential }),
    ...(responses !== undefined && { responses }),
    ...(entry.query !== undefined && { query: entry.query }),
    ...(project !== undefined && { project }),
    ...(location !== undefined && { location }),
  };
}
