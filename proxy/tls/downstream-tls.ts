/** TLS towards clients: what a listener's filter chain answers a ClientHello with, from the secrets as they are now. */
import { constants, createHash } from 'node:crypto';
import type { TLSSocketOptions } from 'node:tls';
import type { DownstreamTls } from '../api/tls.ts';
import type { StatsStore } from '../common/stats.ts';
import type { TimerWheel } from '../common/timer-wheel.ts';
import type { CertificateStore, TlsMaterial } from './certificate-store.ts';
import type { ClientHello } from './client-hello.ts';
import { LiveContext } from './live-context.ts';
import { PeerVerifier } from './peer-verifier.ts';
import { buildSecureContext, ServerContexts } from './secure-contexts.ts';
import { SslStats } from './ssl-stats.ts';

/** Valid for one set of secrets. */
export class ServerContext {
  /** Undefined: the client's certificate is not looked at. */
  readonly verifier: PeerVerifier | undefined;
  readonly #tls: DownstreamTls;
  readonly #contexts: ServerContexts;

  constructor(tls: DownstreamTls, material: TlsMaterial) {
    const { requiresClientCertificate, prefersOwnCiphers, issuesTickets, sessionTimeoutSeconds } = tls;
    const options = {
      honorCipherOrder: prefersOwnCiphers,
      secureOptions: issuesTickets ? 0 : constants.SSL_OP_NO_TICKET,
      ...(sessionTimeoutSeconds === undefined ? {} : { sessionTimeout: sessionTimeoutSeconds }),
      // A session of one listener must not open another, which may ask for more.
      sessionIdContext: createHash('sha256').update(JSON.stringify(tls)).digest('hex').slice(0, 32),
    };
    this.#tls = tls;
    this.#contexts = new ServerContexts(material.certificates, (chosen) =>
      buildSecureContext(tls, chosen, material, options),
    );
    const { validation } = material;
    this.verifier = validation && new PeerVerifier(validation, { isRequired: requiresClientCertificate });
  }

  /** How to answer this client. */
  optionsFor({ serverName, alpn }: ClientHello): TLSSocketOptions {
    const { alpnProtocols, requiresClientCertificate } = this.#tls;
    // As in Envoy a client with no protocol in common is served without one; OpenSSL would send it away.
    const protocol = alpnProtocols.find((candidate) => alpn.includes(candidate));
    return {
      isServer: true,
      secureContext: this.#contexts.find(serverName),
      requestCert: requiresClientCertificate || this.verifier !== undefined,
      // Without a certificate the handshake fails; what is wrong with one is the verifier's to say.
      rejectUnauthorized: requiresClientCertificate,
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
    };
  }
}

export interface DownstreamTlsOptions {
  readonly store: CertificateStore;
  readonly stats: StatsStore;
  readonly timers: TimerWheel;
  /** Envoy's name of a listener in statistics: `0.0.0.0_443`. */
  readonly listenerAddress: string;
  /** Envoy's `transport_socket_connect_timeout`; default 15,000. */
  readonly handshakeTimeoutMs?: number;
}

export class DownstreamTlsContext extends LiveContext<ServerContext> {
  readonly timers: TimerWheel;
  readonly handshakeTimeoutMs: number;

  constructor(config: DownstreamTls, options: DownstreamTlsOptions) {
    const { store, stats, timers, listenerAddress, handshakeTimeoutMs = 15_000 } = options;
    super({
      tls: config,
      store,
      stats: new SslStats(stats, `listener.${listenerAddress}.`, 'server'),
      owner: `listener ${listenerAddress}`,
      build: (material) => new ServerContext(config, material),
    });
    this.timers = timers;
    this.handshakeTimeoutMs = handshakeTimeoutMs;
  }
}
