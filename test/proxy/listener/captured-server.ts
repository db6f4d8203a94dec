/**
 * A program for a pod: `captured-server.js HOST PORT [transparent]` answers every connection with what it knows of its
 * destination, as JSON.
 */
import net from 'node:net';
import {
  localDestinationOf,
  originalDestinationOf,
  setTransparent,
} from '../../../proxy/listener/original-destination.ts';

const [host = '', port = '', mode] = process.argv.slice(2);

const server = net.createServer((socket) => {
  socket.on('error', () => {});
  const { remoteAddress } = socket;
  socket.end(
    JSON.stringify({ original: originalDestinationOf(socket), local: localDestinationOf(socket), remoteAddress }),
  );
});
server.listen({ host, port: Number(port) }, () => {
  if (mode !== 'transparent') return;
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  process.stdout.write(`transparent: ${setTransparent(fd) ?? 'done'}\n`);
});
