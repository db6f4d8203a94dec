/**
 * A program for a pod: `destination-server.js HOST PORT[,PORT] [transparent]` answers every connection with what it
 * knows of its destination, as JSON, and closes it.
 */
import net from 'node:net';
import {
  type Destination,
  localDestinationOf,
  originalDestinationOf,
  setTransparent,
} from '../../../proxy/listener/original-destination.ts';

export interface Arrival {
  /** The port that the listener is bound to. */
  readonly listener: number;
  readonly original?: Destination;
  readonly local?: Destination;
  readonly remoteAddress?: string;
}

const [host = '', ports = '', mode] = process.argv.slice(2);

for (const port of ports.split(',').map(Number)) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.end(JSON.stringify(describe(socket, port)));
  });
  server.listen({ host, port }, () => {
    if (mode !== 'transparent') return;
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    process.stdout.write(`transparent: ${setTransparent(fd) ?? 'done'}\n`);
  });
}

function describe(socket: net.Socket, listener: number): Arrival {
  const [original, local] = [originalDestinationOf(socket), localDestinationOf(socket)];
  const { remoteAddress } = socket;
  return {
    listener,
    ...(original && { original }),
    ...(local && { local }),
    ...(remoteAddress !== undefined && { remoteAddress: remoteAddress.replace('::ffff:', '') }),
  };
}
