/** What is known of a connection before its first byte. */
import { withoutMapping } from '../common/mapped-address.ts';
import { isIPv4, type Socket } from 'node:net';
import type { Listener } from '../api/listener.ts';
import { originalSource } from '../common/client-socket.ts';
import type { ConnectionFacts } from './filter-chain-match.ts';
import { type Destination, localDestinationOf, originalDestinationOf } from './original-destination.ts';

const anyAddress = '0.0.0.0';

/** Of one that `listener` accepted. */
export function factsOf(socket: Socket, listener: Listener): ConnectionFacts {
  // Transparent listeners get redirected connections too: TPROXY is for what arrives from elsewhere.
  const ownPort = ownPortOf(listener);
  const destination =
    (listener.inspection.originalDestination ? originalDestinationOf(socket, ownPort) : undefined) ??
    (ownPort === undefined ? undefined : onlyAddressOf(listener)) ??
    localDestinationOf(socket);
  const facts = {
    destinationAddress: destination?.address ?? '',
    destinationPort: destination?.port ?? 0,
    sourceAddress: withoutMapping(socket.remoteAddress ?? ''),
    sourcePort: socket.remotePort ?? 0,
    serverName: '',
    transportProtocol: 'raw_buffer',
    applicationProtocols: [],
  } as const;
  return inNameOfClient(facts, listener);
}

/** The port that every connection of the listener arrives at, where that is known without asking its socket. */
function ownPortOf({ port, additionalAddresses, isTransparent }: Listener): number | undefined {
  const isOnlyPort = port !== 0 && additionalAddresses.every((additional) => additional.port === port);
  return isOnlyPort && !isTransparent ? port : undefined;
}

/** The address that every connection arrives at; undefined where it listens at several, or in IPv6 with its many spellings. */
function onlyAddressOf({ address, port, additionalAddresses }: Listener): Destination | undefined {
  return additionalAddresses.length > 0 || address === anyAddress || !isIPv4(address) ? undefined : { address, port };
}

/** What goes upstream does so in the name of the client, where the listener that accepted the connection or this one says so. */
export function inNameOfClient(facts: ConnectionFacts, { originalSource: source }: Listener): ConnectionFacts {
  if (source === undefined || facts.originalSource !== undefined) return facts;
  return { ...facts, originalSource: originalSource(facts.sourceAddress, source.mark) };
}
