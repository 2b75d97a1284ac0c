/** The file tree that the Dockerfile builds, made without Docker. */
import { cp, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '@gateway/testing';
import { trackedFiles } from '../tidy/source-files.ts';

export interface Copy {
  readonly stage: number;
  /** The stage that it copies from; undefined: the repository. */
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

export interface Dockerfile {
  readonly copies: readonly Copy[];
  readonly environment: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly user: string;
  readonly install: string;
}

/** Reads as much of a Dockerfile as ours has. */
export async function readDockerfile(): Promise<Dockerfile> {
  const text = await readFile(join(repositoryRoot, 'Dockerfile'), 'utf8');
  const instructions = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => /^([A-Z]+) (.*)$/.exec(line))
    .map((match) => ({ name: match?.[1] ?? '', rest: match?.[2] ?? '' }));
  let stage = -1;
  const copies: Copy[] = [];
  for (const { name, rest } of instructions) {
    if (name === 'FROM') stage += 1;
    if (name !== 'COPY') continue;
    const words = rest.split(' ');
    const from = words[0]?.startsWith('--from=') ? words.shift() : undefined;
    copies.push({ stage, from, sources: words.slice(0, -1), target: words.at(-1) ?? '' });
  }
  const last = (name: string) => instructions.findLast((each) => each.name === name)?.rest ?? '';
  return {
    copies,
    environment: Object.fromEntries(
      instructions
        .filter(({ name }) => name === 'ENV')
        .flatMap(({ rest }) => [...rest.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)])
        .map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]),
    ),
    command: JSON.parse(last('CMD')),
    user: last('USER'),
    install: instructions.find(({ name, rest }) => name === 'RUN' && /^npm/.test(rest))?.rest ?? '',
  };
}

/** The repository's files that `.dockerignore` lets into the build. The last matching line counts. */
export async function buildContext(): Promise<readonly string[]> {
  const text = await readFile(join(repositoryRoot, '.dockerignore'), 'utf8');
  const rules = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({
      isKept: line.startsWith('!'),
      pattern: new RegExp(`^${toPattern(line.replace(/^!/, ''))}(/|$)`),
    }));
  return trackedFiles().filter(
    (path) => rules.findLast(({ pattern }) => pattern.test(path))?.isKept ?? true,
  );
}

function toPattern(line: string): string {
  return line
    .replaceAll('.', '\\.')
    .split('**/')
    .map((part) => part.replaceAll('*', '[^/]*'))
    .join('(.*/)?');
}

/** The files of the context that a source of a COPY stands for. */
export function filesOf(source: string, context: readonly string[]): readonly string[] {
  return context.filter((path) => path === source || path.startsWith(`${source}/`));
}

/**
 * Makes the last stage's tree under the directory: `/gateway` and what is copied beside it. The
 * packages are those that `npm ci --omit=dev --omit=optional` installs.
 */
export async function buildImageTree(directory: string): Promise<void> {
  const { copies } = await readDockerfile();
  const context = await buildContext();
  const stage = Math.max(...copies.map((copy) => copy.stage));
  for (const copy of copies.filter((each) => each.stage === stage)) {
    if (copy.from !== undefined) {
      await copyPackages(join(directory, 'gateway'));
      continue;
    }
    for (const source of copy.sources) {
      for (const path of filesOf(source, context)) {
        const inside = path.slice(source.length);
        const name = copy.target.endsWith('/') ? `${copy.target}${source}` : copy.target;
        const target = name.startsWith('/') ? name : join('gateway', name);
        await copyFile(join(repositoryRoot, path), join(directory, target, inside));
      }
    }
  }
}

interface LockedPackage {
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

async function copyPackages(target: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(repositoryRoot, 'package-lock.json'), 'utf8'));
  const packages: [string, LockedPackage][] = Object.entries(lock.packages);
  for (const [path, { link, dev, optional, devOptional }] of packages) {
    if (!path.includes('node_modules/') || dev || optional || devOptional) continue;
    await cp(join(repositoryRoot, path), join(target, path), {
      recursive: true,
      // A workspace is a link to its folder; what is nested in a package has its own entry.
      verbatimSymlinks: true,
      ...(!link && { filter: (from) => !from.slice(path.length).endsWith('/node_modules') }),
    });
  }
}

async function copyFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to);
}
