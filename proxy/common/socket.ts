/**
 * Sockets that read into one shared buffer per thread: no allocation and no stream machinery per read (12.5 → 10.0 µs per
 * request). `onread` callbacks run to completion before the next read, so sharing is safe as long as whoever keeps bytes
 * copies them; when they are worked on is told in `turn.ts`.
 */
import { readSync, writeSync } from 'node:fs';
import net from 'node:net';
import { openClientSocket, type OriginalSource } from './client-socket.ts';
import { sharedReadBuffer } from './io-buffers.ts';
import { failSocket, guard } from './socket-fault.ts';
import { deliver, type Receiver, settle } from './turn.ts';

/** What a connection does with its socket's events. Nothing it throws reaches the process: the socket is destroyed. */
export interface SocketHandler extends Receiver {
  /** The peer sent FIN; writing is still possible. */
  onEnd(): void;
  /** What waited to be written is written. */
  onDrain(): void;
  /** Called once, last. */
  onClose(error: Error | undefined): void;
  /** Only for sockets that were opened by us. */
  onConnect?(): void;
}

/** Where a connection goes, and the address it comes from; default: the system chooses. */
export interface ConnectTarget {
  readonly address: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
  /** What goes out in plain text before anything else, TLS included; made once the socket has its addresses. */
  readonly preamble?: ((socket: net.Socket) => Uint8Array) | undefined;
  /** In whose name, before `localAddress`. */
  readonly originalSource?: OriginalSource | undefined;
}

/** Opens a connection; events go to `handler`. */
export function connectSocket(target: ConnectTarget, handler: SocketHandler): net.Socket {
  const { address, port, localAddress, originalSource, preamble } = target;
  const options = {
    // What Node's constructor would add to its copy of the options, which V8 is slow at: 8 µs instead of 0.3.
    emitClose: false,
    autoDestroy: true,
    decodeStrings: false,
    noDelay: true,
    allowHalfOpen: true,
    onread: {
      buffer: sharedReadBuffer,
      callback: (length: number): boolean => onSocketRead(socket, handler, sharedReadBuffer, length),
    },
  };
  const socket: net.Socket =
    originalSource === undefined
      ? net.connect({ host: address, port, ...(localAddress === undefined ? {} : { localAddress }), ...options })
      : connectClientSocket(target, originalSource, options);
  attach(socket, handler);
  if (preamble !== undefined) sendPreamble(socket, preamble);
  socket.on('connect', onSocketConnect);
  return socket;
}

/**
 * Of a socket that connects: goes around Node, which has no way to write below a TLS socket of its own. The buffer of a new
 * connection takes some hundred bytes whole.
 */
export function sendPreamble(socket: net.Socket, make: NonNullable<ConnectTarget['preamble']>): void {
  socket.prependOnceListener('connect', () => {
    try {
      const bytes = make(socket);
      const written = writeSync(fdOf(socket), bytes);
      if (written !== bytes.length) throw new Error(`${written} of ${bytes.length} bytes were taken`);
    } catch (cause) {
      socket.destroy(cause instanceof Error ? cause : new Error(String(cause)));
    }
  });
}

/** -1 for a socket that has none, or none any more. */
export function fdOf(socket: net.Socket): number {
  return (socket as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
}

/** In the name of a client. What prevents that comes as the error of the socket. */
export function connectClientSocket(
  { address, port }: ConnectTarget,
  source: OriginalSource,
  options: net.SocketConstructorOpts & { readonly noDelay?: boolean },
): net.Socket {
  const fd = openClientSocket(source);
  if (typeof fd !== 'number') return new net.Socket(options).destroy(fd);
  // Not connected yet: there is nothing to be read.
  const manual = { ...options, fd, manualStart: true };
  return new net.Socket(manual).connect({ host: address, port });
}

let lastConnectionId = 0;

/** One sequence for all connections of the process, whichever side opened them, from 1 on. */
export function nextConnectionId(): number {
  lastConnectionId += 1;
  return lastConnectionId;
}

/** `ip:port`. */
export function localAddressOf(socket: net.Socket): string {
  return `${socket.localAddress ?? '-'}:${socket.localPort ?? 0}`;
}

interface ServerWithHandle {
  _handle?: { onconnection: (status: number, handle: unknown) => void; setNoDelay(enable: boolean): number } | null;
}

/** What a listener does with accepted connections. */
export interface Acceptor {
  /** Undefined refuses the connection, which is closed. */
  accept(socket: net.Socket): Accepted | undefined;
}

export interface Accepted {
  readonly handler: SocketHandler;
  /** Calls `startReading` when the connection can be served: at once, or when its listener has warmed. */
  whenWarm(startReading: () => void): void;
}

/**
 * Has `server`, which must be listening, hand each accepted connection to `acceptor`. net.createServer does not pass
 * `onread` on, so the accepted handle is wrapped here. Returns false, with nothing changed but ordinary sockets in use,
 * when this Node has no such handle.
 */
export function acceptSockets(server: net.Server, acceptor: Acceptor): boolean {
  const listening = (server as ServerWithHandle)._handle;
  if (listening === undefined || listening === null || typeof listening.onconnection !== 'function') {
    server.on('connection', (socket) => acceptOrdinary(socket, acceptor));
    return false;
  }
  // Accepted sockets have it from the one that listens, which saves each of them a system call.
  const inheritsNoDelay = listening.setNoDelay(true) === 0;
  listening.onconnection = (status, handle) => {
    if (status !== 0 || handle === undefined) return;
    acceptHandle(handle, acceptor, inheritsNoDelay);
  };
  return true;
}

function acceptHandle(handle: unknown, acceptor: Acceptor, inheritsNoDelay: boolean): void {
  let handler: SocketHandler | undefined = undefined;
  const options = {
    // As in `connectSocket`.
    emitClose: false,
    autoDestroy: true,
    decodeStrings: false,
    handle,
    allowHalfOpen: true,
    manualStart: true,
    onread: {
      buffer: sharedReadBuffer,
      callback: (length: number): boolean =>
        handler === undefined ? false : onSocketRead(socket, handler, sharedReadBuffer, length),
    },
  };
  const socket: net.Socket = new net.Socket(options);
  guard(socket, () => {
    if (!inheritsNoDelay) socket.setNoDelay(true);
    const accepted = acceptor.accept(socket);
    if (accepted === undefined) {
      socket.destroy();
      return;
    }
    handler = accepted.handler;
    attach(socket, handler);
    accepted.whenWarm(() => socket.read(0));
  });
}

function acceptOrdinary(socket: net.Socket, acceptor: Acceptor): void {
  guard(socket, () => {
    socket.setNoDelay(true);
    socket.allowHalfOpen = true;
    const accepted = acceptor.accept(socket);
    if (accepted === undefined) {
      socket.destroy();
      return;
    }
    const { handler } = accepted;
    attach(socket, handler);
    accepted.whenWarm(() => {
      socket.on('data', (bytes: Buffer) => {
        if (!onSocketRead(socket, handler, bytes, bytes.length)) socket.pause();
      });
    });
  });
}

const handlerOf = Symbol('handler');
const describeOf = Symbol('describe');
const errorOf = Symbol('error');

/** What its listeners need stands on the socket itself: closures of each would take a KiB of every proxied connection. */
interface AttachedSocket extends net.Socket {
  readonly [handlerOf]: SocketHandler;
  readonly [describeOf]: ((cause: Error) => Error) | undefined;
  [errorOf]: Error | undefined;
}

/** Sends all events but bytes to `handler`. `describe` says what an error means where the transport knows. */
export function attach(socket: net.Socket, handler: SocketHandler, describe?: (cause: Error) => Error): void {
  Object.assign(socket, { [handlerOf]: handler, [describeOf]: describe, [errorOf]: undefined });
  socket.on('error', onSocketError);
  socket.on('end', onSocketEnd);
  socket.on('drain', onSocketDrain);
  socket.on('close', onSocketClose);
}

function onSocketError(this: AttachedSocket, cause: Error): void {
  this[errorOf] = this[describeOf]?.(cause) ?? cause;
}

function onSocketEnd(this: AttachedSocket): void {
  settle();
  try {
    const reset = lastRead === this ? findReset(this) : undefined;
    if (reset === undefined) this[handlerOf].onEnd();
    else this.destroy(reset);
  } catch (cause) {
    failSocket(this, cause);
  }
}

function onSocketDrain(this: AttachedSocket): void {
  try {
    this[handlerOf].onDrain();
  } catch (cause) {
    failSocket(this, cause);
  }
}

function onSocketClose(this: AttachedSocket): void {
  settle();
  try {
    this[handlerOf].onClose(this[errorOf]);
  } catch (cause) {
    failSocket(this, cause);
  }
}

function onSocketConnect(this: AttachedSocket): void {
  // What had to go out first did not.
  if (this.destroyed) return;
  try {
    this[handlerOf].onConnect?.();
  } catch (cause) {
    failSocket(this, cause);
  }
}

const probe = Buffer.alloc(1);

/** Whose bytes came last: an end that comes right behind bytes may be no end, and only then is it worth a system call. */
let lastRead: net.Socket | undefined = undefined;

/**
 * Of a RST that libuv gave out for FIN: behind bytes that it read in the same turn it sees only that the peer hung up, and
 * asks no further. The kernel still knows; at the end of a stream there is nothing else to read.
 */
export function findReset(socket: net.Socket): Error | undefined {
  const fd = fdOf(socket);
  // Over TLS what is at the end is told by TLS.
  if (fd < 0 || 'encrypted' in socket) return undefined;
  try {
    readSync(fd, probe, 0, 1, null);
    return undefined;
  } catch (cause) {
    return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ECONNRESET' ? cause : undefined;
  }
}

/** `socket` has read `bytes[0..length)`, which may be used again afterwards. The result tells whether to go on reading. */
export function onSocketRead(socket: net.Socket, receiver: Receiver, bytes: Buffer, length: number): boolean {
  lastRead = socket;
  return deliver(socket, receiver, bytes, length);
}

/**
 * Breaks a connection off with RST. Over TLS that is not Node's to do; an end without close_notify says the same. One that
 * is not open yet is given up: Node would wait for it, to reset it then.
 */
export function resetSocket(socket: net.Socket): void {
  if (socket.connecting || (socket as { readonly encrypted?: boolean }).encrypted === true) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * Says that nothing more will come. A peer that has said so too (`isPeerDone`) hears the same when the socket is closed,
 * provided that nothing waits to be written; that takes a system call less, and none of what Node does for half an end. TLS
 * has a word of its own for it.
 */
export function endSocket(socket: net.Socket, isPeerDone: boolean): void {
  if (isPeerDone && socket.writableLength === 0 && !('encrypted' in socket)) socket.destroy();
  else socket.end();
}
