/**
 * Debian packages without root: an apt with lists, cache and sources of its own, `apt-get
 * download`, and `dpkg-deb` to unpack. The mirror is the one that this machine uses already.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath } from '../die-with-parent.ts';
import { runCommand } from './run-command.ts';

const UPDATE_TIMEOUT_MS = 120_000;
const DOWNLOAD_TIMEOUT_MS = 240_000;
const QUERY_TIMEOUT_MS = 60_000;
const PACKAGES_MAX = 60;

export interface DebianSource {
  readonly uri: string;
  readonly components: string;
  readonly signedBy: string | undefined;
  /** The suite of this machine, for example "bookworm". */
  readonly suite: string;
}

const SOURCE_FILES = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'];

/** The first Debian archive that the text of an apt sources file names, of either format. */
export function parseDebianSource(text: string): Omit<DebianSource, 'suite'> | undefined {
  for (const stanza of text.split(/\n\s*\n/)) {
    const uri = /^URIs:\s*(\S+\/debian\/?)(?:\s|$)/m.exec(stanza)?.[1];
    if (uri === undefined) continue;
    return {
      uri,
      components: /^Components:\s*(.+)$/m.exec(stanza)?.[1]?.trim() ?? 'main',
      signedBy: /^Signed-By:\s*(\/\S+)$/m.exec(stanza)?.[1],
    };
  }
  const line = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+\/debian\/?)\s+\S+\s+(.+)$/m.exec(text);
  if (line?.[2] === undefined) return undefined;
  return {
    uri: line[2],
    components: line[3]?.trim() ?? 'main',
    signedBy: /signed-by=(\S+)/.exec(line[1] ?? '')?.[1],
  };
}

/** The Debian archive that this machine installs from; undefined on other systems. */
export async function machineDebianSource(): Promise<DebianSource | undefined> {
  if (['apt-get', 'apt-cache', 'dpkg-deb'].some((tool) => findOnPath(tool) === undefined)) {
    return undefined;
  }
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const suite = /^VERSION_CODENAME="?([^"\n]+)"?$/m.exec(release)?.[1] ?? 'stable';
  for (const file of SOURCE_FILES) {
    const source = parseDebianSource(await readFile(file, 'utf8').catch(() => ''));
    if (source !== undefined) return { ...source, suite };
  }
  return undefined;
}

function aptOptions(state: string): string[] {
  const options = {
    'Dir::State': join(state, 'state'),
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(state, 'cache'),
    'Dir::Etc::sourcelist': join(state, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
    // As root apt would fetch as another user, who may not write to our directory.
    'APT::Sandbox::User': 'root',
  };
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Makes an isolated apt state for one suite under `state` and fetches its package lists. */
async function updateLists(source: DebianSource, suite: string, state: string): Promise<void> {
  await mkdir(join(state, 'state/lists/partial'), { recursive: true });
  await mkdir(join(state, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(state, 'status'), '');
  const signedBy = source.signedBy === undefined ? '' : `[signed-by=${source.signedBy}] `;
  const line = `deb ${signedBy}${source.uri} ${suite} ${source.components}\n`;
  await writeFile(join(state, 'sources.list'), line);
  await runCommand('apt-get', ['update', '-q', '--error-on=any', ...aptOptions(state)], {
    timeoutMs: UPDATE_TIMEOUT_MS,
  });
}

async function isInstalled(name: string): Promise<boolean> {
  const status = await runCommand('dpkg-query', ['--status', name], {
    timeoutMs: QUERY_TIMEOUT_MS,
  }).catch(() => '');
  return status.includes('\nStatus: install ok installed\n');
}

/** The libraries that the packages need and this machine lacks. */
async function missingLibraries(packages: readonly string[], state: string): Promise<string[]> {
  const kinds = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'];
  const without = kinds.map((kind) => `--no-${kind}`);
  const output = await runCommand(
    'apt-cache',
    [...aptOptions(state), 'depends', '--recurse', ...without, ...packages],
    { timeoutMs: QUERY_TIMEOUT_MS },
  );
  const names = new Set(output.split('\n').filter((line) => /^lib[a-z0-9.+-]+$/.test(line)));
  const missing: string[] = [];
  for (const name of names) {
    // LLVM compiles queries of PostgreSQL, takes 100 MB and is not needed.
    if (name.startsWith('libllvm')) continue;
    if (!(await isInstalled(name))) missing.push(name);
  }
  return missing;
}

export interface FetchPackagesOptions {
  readonly source: DebianSource;
  readonly suite: string;
  readonly packages: readonly string[];
  /** Whether to fetch the libraries that this machine lacks too. */
  readonly withLibraries: boolean;
  /** Where the files go, as if it were the root directory. */
  readonly target: string;
}

/** Fetches and unpacks packages of one suite. Bounded in time; throws with apt's own words. */
export async function fetchDebianPackages(options: FetchPackagesOptions): Promise<void> {
  const state = `${options.target}.apt`;
  const downloads = join(state, 'downloads');
  try {
    await mkdir(downloads, { recursive: true });
    await updateLists(options.source, options.suite, state);
    const libraries = options.withLibraries ? await missingLibraries(options.packages, state) : [];
    const names = [...options.packages, ...libraries];
    if (names.length > PACKAGES_MAX) throw new Error(`${names.length} packages are too many`);
    await runCommand('apt-get', ['download', '-q', ...aptOptions(state), ...names], {
      cwd: downloads,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    });
    await mkdir(options.target, { recursive: true });
    for (const file of await readdir(downloads)) {
      await runCommand('dpkg-deb', ['-x', join(downloads, file), options.target], {
        timeoutMs: QUERY_TIMEOUT_MS,
      });
    }
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}
