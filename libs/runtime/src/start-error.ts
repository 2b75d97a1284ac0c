/**
 * A start that failed for a reason that whoever started the process can mend. The message says what is
 * wrong and what to do, in sentences, and is shown alone, without a stack.
 */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Where a server was to listen, and the settings that say so. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly hostSetting: string;
  readonly portSetting: string;
}

/** What listening gives. Throws a `StartError` where the port is taken, or the host is none of ours. */
export async function listenAt<Result>(
  address: ListenAddress,
  listen: (at: Pick<ListenAddress, 'host' | 'port'>) => Promise<Result>,
): Promise<Result> {
  const { host, port } = address;
  try {
    return await listen({ host, port });
  } catch (error) {
    throw listenError(error, address);
  }
}

/** Why a server cannot listen, as a `StartError`; the error itself where its reason is not known. */
export function listenError(error: unknown, address: ListenAddress): unknown {
  const { host, port, hostSetting, portSetting } = address;
  const text = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'EADDRINUSE':
      return new StartError(
        `${text} is in use, perhaps by another gateway. ` +
          `Stop what uses it, or set ${portSetting} to another port.`,
        { cause: error },
      );
    case 'EACCES':
      return new StartError(
        `this user may not listen on ${text}. Set ${portSetting} to another port.`,
        { cause: error },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new StartError(
        `${host} is no address of this machine. Set ${hostSetting} to one that is.`,
        { cause: error },
      );
    default:
      return error;
  }
}
