/** What a listener is bound to: a socket for its address and one for each additional address. */
import net from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';
import { type Listener, listenerAddressesOf } from '../api/listener.ts';
import { findClientSocketFault } from '../common/client-socket.ts';
import { type Acceptor, acceptSockets } from '../common/socket.ts';
import { findSocketOptionsFault } from '../common/socket-options.ts';
import { setTransparent } from './original-destination.ts';
import type { Opened } from './serving-listener.ts';

const backlog = 4_096;

/** Why this machine cannot do what the listener asks of its sockets; undefined when it can. */
export function findListenerFault(listener: Listener): string | undefined {
  const { bindsToPort, isTransparent, inspection, originalSource } = listener;
  const needsOptions = bindsToPort && (isTransparent || inspection.originalDestination);
  const fault = needsOptions ? findSocketOptionsFault() : undefined;
  return fault ?? (originalSource && findClientSocketFault(originalSource.mark));
}

export class ListenerSockets {
  readonly #addresses: readonly SocketAddress[];
  readonly #isTransparent: boolean;
  /** In the order of the addresses; those that listen. */
  #servers: net.Server[] = [];

  constructor(config: Listener) {
    this.#addresses = config.bindsToPort ? listenerAddressesOf(config) : [];
    this.#isTransparent = config.isTransparent;
  }

  /** With the ports in use, also where the configuration says 0. */
  get bound(): SocketAddress[] {
    return this.#servers.flatMap((server) => {
      const bound = server.address();
      return typeof bound === 'object' && bound !== null ? { address: bound.address, port: bound.port } : [];
    });
  }

  /** Rejects when an address cannot be bound, and then none is. */
  async open(acceptor: Acceptor): Promise<Opened> {
    const missing: SocketAddress[] = [];
    let usesSharedBuffer = true;
    for (const [index, address] of this.#addresses.entries()) {
      try {
        const server = await bind(address, this.#isTransparent);
        this.#servers.push(server);
        usesSharedBuffer = acceptSockets(server, acceptor) && usesSharedBuffer;
      } catch (cause) {
        if (index > 0 && isWithoutIPv6(address, cause)) {
          missing.push(address);
          continue;
        }
        this.close();
        throw cannotListen(address, cause);
      }
    }
    return { usesSharedBuffer, missing };
  }

  close(): void {
    for (const server of this.#servers) server.close();
    this.#servers = [];
  }
}

/** An IPv6 address takes no IPv4, as in Envoy: `0.0.0.0` and `::` can have the same port. */
function bind({ address, port }: SocketAddress, isTransparent: boolean): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: false });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, backlog, ipv6Only: net.isIPv6(address) }, () => {
      server.off('error', reject);
      // Later errors concern single accepts (too many open files): the listener goes on.
      server.on('error', () => {});
      const refusal = isTransparent ? setTransparent(fdOf(server)) : undefined;
      if (refusal === undefined) return resolve(server);
      server.close();
      reject(new Error(`cannot be transparent: ${refusal} (it takes CAP_NET_ADMIN)`));
    });
  });
}

/** A kernel without IPv6 has not even its address for all of them, or that of loopback. */
export function isWithoutIPv6({ address }: SocketAddress, cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException;
  return (address === '::' || address === '::1') && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL');
}

export function cannotListen({ address, port }: SocketAddress, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`cannot listen on ${address}:${port}: ${reason}`, { cause });
}

interface ServerWithHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

function fdOf(server: net.Server): number {
  return (server as ServerWithHandle)._handle?.fd ?? -1;
}
