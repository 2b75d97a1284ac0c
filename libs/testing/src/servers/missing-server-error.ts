/** No server program can be had on this machine. Says which, and what was tried. */
export class MissingServerError extends Error {
  override readonly name = 'MissingServerError';
  readonly server: string;
  readonly tried: readonly string[];

  constructor(server: string, tried: readonly string[], advice: string) {
    super(`Missing ${server}. Tried: ${tried.join('; ')}. ${advice}`);
    this.server = server;
    this.tried = tried;
  }
}
