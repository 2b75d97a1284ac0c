/** `docker-compose.yml` as Compose reads it: merge keys resolved, variables filled in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '@gateway/testing';
import { parse } from 'yaml';
import { z } from 'zod';

const volumeMount = z.string();

/** Only what the file uses; anything else is a mistake or needs a check here first. */
const composeService = z.strictObject({
  image: z.string().optional(),
  build: z.strictObject({ context: z.string(), args: z.record(z.string(), z.string()) }).optional(),
  user: z.string().optional(),
  command: z.union([z.string(), z.array(z.string())]).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(volumeMount).default([]),
  tmpfs: z.array(z.string()).default([]),
  networks: z.array(z.string()).default([]),
  network_mode: z.string().optional(),
  ports: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.string() })).default({}),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()),
      interval: z.string(),
      timeout: z.string(),
      retries: z.number(),
      start_period: z.string().optional(),
    })
    .optional(),
  restart: z.string(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  cap_add: z.array(z.string()).default([]),
  security_opt: z.array(z.string()),
  stop_grace_period: z.string().optional(),
  logging: z
    .strictObject({ driver: z.string(), options: z.record(z.string(), z.string()) })
    .optional(),
});

export type ComposeService = z.infer<typeof composeService>;

const composeFile = z.object({
  name: z.string(),
  services: z.record(z.string(), composeService),
  networks: z.record(z.string(), z.strictObject({ internal: z.boolean().optional() })),
  volumes: z.record(z.string(), z.strictObject({})),
});

export const composeText = readFileSync(join(repositoryRoot, 'docker-compose.yml'), 'utf8');

/** `$$` is a dollar sign; `${NAME}`, `${NAME:-default}` and `${NAME:?message}` are variables. */
const VARIABLE = /\$\$|\$\{([A-Z_0-9]+)(?::([-?])([^}]*))?\}/g;

export interface ComposeVariable {
  readonly name: string;
  readonly isRequired: boolean;
  readonly default: string;
}

export function composeVariables(): readonly ComposeVariable[] {
  return [...composeText.matchAll(VARIABLE)]
    .filter((match) => match[1] !== undefined)
    .map(([, name = '', kind, text = '']) => ({
      name,
      isRequired: kind === '?',
      default: kind === '-' ? text : '',
    }));
}

/** The file with these variables; throws where a required one is missing or empty. */
export function readCompose(variables: Readonly<Record<string, string>>) {
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') return interpolate(value, variables);
    if (Array.isArray(value)) return value.map(fill);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item)]));
  };
  return composeFile.parse(fill(parse(composeText, { merge: true })));
}

function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(VARIABLE, (match, name?: string, kind?: string, rest = '') => {
    if (name === undefined) return match === '$$' ? '$' : match;
    const value = variables[name];
    if (value) return value;
    if (kind === '?') throw new Error(`${name} is missing: ${rest}`);
    return kind === '-' ? rest : '';
  });
}

/** The assignments of a `.env` file, in order. */
export function readEnvironmentFile(path: string): ReadonlyMap<string, string> {
  const lines = readFileSync(join(repositoryRoot, path), 'utf8').split('\n');
  const assignments = lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return new Map(
    assignments.map((line) => {
      const match = /^([A-Z][A-Z0-9_]*)=(\S*)$/.exec(line);
      if (match === null) throw new Error(`${path} has a line that is no assignment: ${line}`);
      return [match[1] ?? '', match[2] ?? ''];
    }),
  );
}
