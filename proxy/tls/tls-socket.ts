/** Sockets that speak TLS, with the events of plain ones: bytes are what was encrypted, and opening includes the handshake. */
import net from 'node:net';
import tls from 'node:tls';
import type { X509Certificate } from 'node:crypto';
import { TransportFailure } from '../common/errors.ts';
import { sharedReadBuffer } from '../common/io-buffers.ts';
import {
  attach,
  connectClientSocket,
  type ConnectTarget,
  onSocketRead,
  sendPreamble,
  type SocketHandler,
} from '../common/socket.ts';
import { guard } from '../common/socket-fault.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import { deliverReads } from './shared-reads.ts';
import { type ClientHello, inspectClientHello } from './client-hello.ts';
import type { DownstreamTlsContext, ServerContext } from './downstream-tls.ts';
import { chainVerdictOf, missingCertificate, type PeerVerifier } from './peer-verifier.ts';
import type { SslStats } from './ssl-stats.ts';
import { handshakeFailure, handshakeTimeout, notTls, secretsNotReady, verificationFailure } from './tls-failure.ts';
import type { ClientContext, UpstreamTlsContext } from './upstream-tls.ts';

/** A version of HTTP by its name in ALPN. */
export type SpokenProtocol = 'h2' | 'http/1.1';

export interface TlsTarget extends ConnectTarget {
  /** What will be spoken; undefined: whatever it is, the cluster's protocols are offered. */
  readonly speaks?: SpokenProtocol | undefined;
}

/**
 * Opens a connection; `onConnect` is called once the handshake is over and the server is who it should be. What fails
 * before that ends in `onClose` with a TransportFailure or an error of the system.
 */
export function connectTls(target: TlsTarget, context: UpstreamTlsContext, handler: SocketHandler): net.Socket {
  const { address, port, localAddress, originalSource, preamble, speaks } = target;
  const { current, stats } = context;
  if (current === undefined) return failToConnect(context, handler);
  const options: tls.ConnectionOptions & Pick<net.TcpNetConnectOpts, 'onread' | 'allowHalfOpen' | 'localAddress'> = {
    ...current.options,
    ...offeredProtocols(current.alpnProtocols, speaks),
    host: address,
    port,
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(originalSource === undefined
      ? {}
      : { socket: connectClientSocket(target, originalSource, { allowHalfOpen: true }) }),
    allowHalfOpen: true,
    ...(current.session === undefined ? {} : { session: current.session }),
    onread: {
      buffer: sharedReadBuffer,
      callback: (length: number): boolean => onSocketRead(socket, handler, sharedReadBuffer, length),
    },
  };
  const socket = tls.connect(options);
  // Node has no `onread` for TLS over a socket that it is given.
  if (originalSource !== undefined) deliverReads(socket, handler);
  attach(socket, handler, (cause) => describeError(cause, stats));
  if (preamble !== undefined) sendPreamble(socket, preamble);
  socket.once('connect', () => socket.setNoDelay(true));
  const keepSession = sessionKeeper(socket, current);
  socket.once('secureConnect', () => {
    guard(socket, () => {
      // A session is kept only of a server that was verified for this very context, and Node has no certificate of it.
      const failure = socket.isSessionReused() ? undefined : verifyPeer(socket, current.verifier, stats);
      if (failure !== undefined) {
        socket.destroy(failure);
        return;
      }
      stats.onHandshake(socket);
      keepSession();
      handler.onConnect?.();
    });
  });
  return socket;
}

/** The cluster's, but never what will not be spoken: an upgrade and a health check speak HTTP/1.1 to whoever knows HTTP/2. */
function offeredProtocols(
  configured: readonly string[],
  speaks: SpokenProtocol | undefined,
): { readonly ALPNProtocols?: string[] } {
  if (speaks === undefined) return {};
  if (configured.length === 0) return speaks === 'h2' ? { ALPNProtocols: ['h2'] } : {};
  if (speaks === 'h2' || !configured.includes('h2')) return {};
  const others = configured.filter((protocol) => protocol !== 'h2');
  return { ALPNProtocols: others.length === 0 ? ['http/1.1'] : others };
}

/** Nothing is sent in plain text for want of a certificate. */
function failToConnect({ fault, stats }: UpstreamTlsContext, handler: SocketHandler): net.Socket {
  const socket = new net.Socket();
  attach(socket, handler);
  stats.secretsNotReady.value += 1;
  socket.destroy(secretsNotReady(fault));
  return socket;
}

/** Sessions come before or after the end of a handshake; they are kept once the server has been verified. */
function sessionKeeper(socket: tls.TLSSocket, context: ClientContext): () => void {
  let isVerified = false;
  let session: Buffer | undefined = undefined;
  socket.on('session', (data) => {
    session = data;
    if (isVerified) context.keepSession(data);
  });
  return () => {
    isVerified = true;
    if (session !== undefined) context.keepSession(session);
  };
}

/** What is known of a client once the handshake is over. */
export interface TlsFacts {
  /** In lower case; empty without one. */
  readonly serverName: string;
  /** Agreed on; empty for none. */
  readonly alpn: string;
  /** `TLSv1.3`. */
  readonly version: string;
  /** By its standard name: `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string;
  readonly peerCertificate: X509Certificate | undefined;
  /** The one that was shown to the client. */
  readonly localCertificate: X509Certificate | undefined;
}

/** Who takes a connection after the handshake. One of the two is called, once. */
export interface TlsAcceptor {
  /** From here on events go to the handler that is returned. */
  onHandshake(socket: net.Socket, facts: TlsFacts): SocketHandler;
  /** The connection is closed; undefined: the client has gone away. */
  onFailure(failure: Error | undefined): void;
}

/**
 * Answers a ClientHello. `raw` must not be read any more; `firstBytes` is what was read of it, which has to hold the
 * whole hello, because that decides about certificate and protocol.
 */
export function acceptTls(
  raw: net.Socket,
  firstBytes: Buffer,
  context: DownstreamTlsContext,
  acceptor: TlsAcceptor,
): void {
  const { current, stats } = context;
  const hello = inspectClientHello(firstBytes);
  if (hello.kind !== 'client_hello') {
    stats.connectionErrors.value += 1;
    refuse(raw, acceptor, notTls(hello.kind));
  } else if (current === undefined) {
    stats.secretsNotReady.value += 1;
    refuse(raw, acceptor, secretsNotReady(context.fault));
  } else {
    guard(raw, () => new Handshake(context, current, acceptor).start(raw, firstBytes, hello));
  }
}

function refuse(raw: net.Socket, acceptor: TlsAcceptor, failure: TransportFailure): void {
  raw.destroy();
  guard(raw, () => acceptor.onFailure(failure));
}

/** One handshake with a client. */
class Handshake {
  readonly #context: DownstreamTlsContext;
  readonly #server: ServerContext;
  readonly #acceptor: TlsAcceptor;
  readonly #timer: WheelTimer;
  #socket: tls.TLSSocket | undefined = undefined;
  #failure: Error | undefined = undefined;
  #isOver = false;

  constructor(context: DownstreamTlsContext, server: ServerContext, acceptor: TlsAcceptor) {
    this.#context = context;
    this.#server = server;
    this.#acceptor = acceptor;
    this.#timer = new WheelTimer(() => {
      this.#context.stats.connectionErrors.value += 1;
      this.#socket?.destroy(handshakeTimeout(context.handshakeTimeoutMs));
    });
  }

  start(raw: net.Socket, firstBytes: Buffer, hello: ClientHello): void {
    const { stats, timers, handshakeTimeoutMs } = this.#context;
    // One that flows would throw away what it is given back before TLS has seen it.
    raw.pause();
    raw.unshift(firstBytes);
    raw.on('error', () => {});
    const socket = new tls.TLSSocket(raw, this.#server.optionsFor(hello));
    this.#socket = socket;
    timers.arm(this.#timer, handshakeTimeoutMs);
    socket.on('error', (cause) => {
      this.#failure ??= this.#isOver ? cause : describeError(cause, stats);
    });
    socket.on('close', () => guard(socket, () => this.#onClose()));
    socket.once('secure', () => guard(socket, () => this.#onSecure(socket, hello)));
  }

  #onClose(): void {
    this.#context.timers.disarm(this.#timer);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#acceptor.onFailure(this.#failure);
  }

  #onSecure(socket: tls.TLSSocket, { serverName }: ClientHello): void {
    const { stats, timers } = this.#context;
    timers.disarm(this.#timer);
    const failure = verifyPeer(socket, this.#server.verifier, stats);
    if (failure !== undefined) {
      socket.destroy(failure);
      return;
    }
    this.#isOver = true;
    const facts = factsOf(socket, serverName);
    stats.onHandshake(socket);
    if (facts.peerCertificate === undefined) stats.noCertificate.value += 1;
    const handler = this.#acceptor.onHandshake(socket, facts);
    attach(socket, handler, (cause) => describeError(cause, stats));
    deliverReads(socket, handler);
  }
}

function factsOf(socket: tls.TLSSocket, serverName: string): TlsFacts {
  return {
    serverName,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    version: socket.getProtocol() ?? '',
    cipherSuite: socket.getCipher().standardName,
    peerCertificate: socket.getPeerX509Certificate(),
    localCertificate: socket.getX509Certificate(),
  };
}

function verifyPeer(
  socket: tls.TLSSocket,
  verifier: PeerVerifier | undefined,
  stats: SslStats,
): TransportFailure | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (verifier === undefined) return undefined;
  const fault = verifier.verify(certificate, chainVerdictOf(socket));
  if (fault === undefined) return undefined;
  stats.onVerificationFault(fault);
  return verificationFailure(fault);
}

/** Errors of verification are counted where they are found. */
function describeError(cause: Error, stats: SslStats): Error {
  if (cause instanceof TransportFailure) return cause;
  const described = handshakeFailure(cause);
  if (described === cause) return cause;
  const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
  if (isMissing) stats.onVerificationFault(missingCertificate);
  else stats.connectionErrors.value += 1;
  return described;
}
