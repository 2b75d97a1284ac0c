/** The repository's own files as the tidy test sees them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { repositoryRoot } from '@gateway/testing';

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)|new URL\(\s*'([^']+)',\s*import\.meta\.url/g;

/** Every file that git tracks or would track. */
export function trackedFiles(): readonly string[] {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  return execFileSync('git', list, { cwd: repositoryRoot, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(repositoryRoot, path)));
}

export function sourceFiles(): readonly SourceFile[] {
  return trackedFiles()
    .filter((path) => path.endsWith('.ts'))
    .map((path) => {
      const text = readFileSync(join(repositoryRoot, path), 'utf8');
      return { path, text, lines: text.split('\n'), imports: importsOf(text) };
    });
}

/** `libs/bus`, `services/cache`, `infra/stack` or `tests`: the project that a file belongs to. */
export function projectOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'tests' ? first : `${first}/${second}`;
}

/** The file that an import leads to, or undefined where it leaves the repository's sources. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier));
  const [, name, entry = 'index'] = /^@gateway\/([a-z-]+)(?:\/([a-z-]+))?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  return ['libs', 'services', 'infra']
    .map((folder) => `${folder}/${name}/src/${entry}.ts`)
    .find((path) => existsSync(join(repositoryRoot, path)));
}

/** The package that a specifier names: `pg` of `pg/lib/x`, `@scope/name` of `@scope/name/x`. */
export function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function importsOf(text: string): readonly Import[] {
  return [...text.matchAll(IMPORT)].map((match) => ({
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
    line: text.slice(0, match.index + match[0].length).split('\n').length,
  }));
}
