/**
 * Reading what is decrypted into the shared buffer, for TLS over a socket that is there already: Node takes `onread` only
 * for TLS sockets that it connects itself, and otherwise makes a buffer and an event of each record (6 µs per request).
 */
import net from 'node:net';
import type tls from 'node:tls';
import { sharedReadBuffer } from '../common/io-buffers.ts';
import { onSocketRead, type SocketHandler } from '../common/socket.ts';

interface SharedReadHandle {
  useUserBuffer(buffer: Buffer): void;
}

/** Where sockets of node:net keep their `onread`. Undefined where a version of Node has it elsewhere. */
const slots = findSlots();

function findSlots(): { readonly buffer: symbol; readonly callback: symbol } | undefined {
  const symbols = Object.getOwnPropertySymbols(new net.Socket());
  const named = (name: string): symbol | undefined => symbols.find(({ description }) => description === name);
  const buffer = named('kBuffer');
  const callback = named('kBufferCb');
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}

/** Sends what `socket` reads from now on to `handler`. Nothing of it has been read yet. */
export function deliverReads(socket: tls.TLSSocket, handler: SocketHandler): void {
  const handle = handleOf(socket);
  if (slots === undefined || handle === undefined) return deliverData(socket, handler);
  Object.assign(socket, {
    [slots.buffer]: sharedReadBuffer,
    [slots.callback]: (length: number): boolean => onSocketRead(socket, handler, sharedReadBuffer, length),
  });
  handle.useUserBuffer(sharedReadBuffer);
  socket.read(0);
}

function handleOf(socket: tls.TLSSocket): SharedReadHandle | undefined {
  const { _handle: handle } = socket as { readonly _handle?: Partial<SharedReadHandle> | null };
  return typeof handle?.useUserBuffer === 'function' ? (handle as SharedReadHandle) : undefined;
}

function deliverData(socket: tls.TLSSocket, handler: SocketHandler): void {
  socket.on('data', (bytes: Buffer) => {
    if (!onSocketRead(socket, handler, bytes, bytes.length)) socket.pause();
  });
}
