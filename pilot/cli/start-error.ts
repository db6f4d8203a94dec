/** Why a server of this process could not start, as one sentence for the person at the terminal. */
import { CommandError } from './exit-code.ts';

interface ListenError extends Error {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
}

export function explainStartError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, address, port } = readListenError(error);
  const place = port === undefined ? 'a port' : `port ${port}${address === undefined ? '' : ` of ${address}`}`;
  switch (code) {
    case 'EADDRINUSE':
      return new CommandError(`${place} is taken by another process`);
    case 'EACCES':
      return port === undefined ? error : new CommandError(`${place} may not be used by this user`);
    case 'EADDRNOTAVAIL':
      return new CommandError(`this machine has no address ${address ?? ''}`);
    default:
      return error;
  }
}

/** Node tells by fields what the gRPC library tells by text: `... [listen EADDRINUSE: address in use 127.0.0.1:15010]`. */
function readListenError(error: ListenError): Partial<ListenError> {
  if (error.code?.startsWith('E') === true) return error;
  const match = /listen (E[A-Z]+): [^\d[]*\[?([\d.]+|[\da-fA-F:]+)\]?:(\d+)/.exec(error.message);
  if (match === null) return {};
  const [, code = '', address = '', port] = match;
  return { code, address, port: Number(port) };
}
