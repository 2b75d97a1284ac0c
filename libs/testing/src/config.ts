/** The only reader of the environment in this library. */

/** The directories that commands are looked up in. */
export function searchPath(): readonly string[] {
  return (process.env.PATH ?? '').split(':').filter((directory) => directory !== '');
}

/** GATEWAY_FIXTURES, the directory of recorded provider traffic. */
export function fixturesSetting(): string | undefined {
  return process.env.GATEWAY_FIXTURES || undefined;
}

const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ'] as const;

/** What a child process gets of this process' environment: nothing that could configure it. */
export function inheritedEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}
