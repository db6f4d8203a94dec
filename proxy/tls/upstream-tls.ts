/** TLS towards the hosts of a cluster: what a new connection is opened with, from the secrets as they are now. */
import type { ConnectionOptions } from 'node:tls';
import { isIP } from 'node:net';
import type { UpstreamTls } from '../api/tls.ts';
import type { StatsStore } from '../common/stats.ts';
import type { CertificateStore, TlsMaterial } from './certificate-store.ts';
import { LiveContext } from './live-context.ts';
import { PeerVerifier } from './peer-verifier.ts';
import { buildSecureContext } from './secure-contexts.ts';
import { SslStats } from './ssl-stats.ts';

/** Valid for one set of secrets: sessions end with it, because they were agreed on under its authorities. */
export class ClientContext {
  readonly options: ConnectionOptions;
  /** The cluster's; empty: it says nothing of them. */
  readonly alpnProtocols: readonly string[];
  /** Undefined: the server's certificate is not looked at. */
  readonly verifier: PeerVerifier | undefined;
  readonly #reusesSessions: boolean;
  /** Of the connection that got one last. */
  session: Buffer | undefined = undefined;

  constructor(tls: UpstreamTls, material: TlsMaterial) {
    const { alpnProtocols, sni, verifiesSni, reusesSessions } = tls;
    this.#reusesSessions = reusesSessions;
    this.alpnProtocols = alpnProtocols;
    this.options = {
      secureContext: buildSecureContext(tls, material.certificates, material),
      // RFC 6066 §3: an address is no server name.
      servername: isIP(sni) === 0 ? sni : '',
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
      // The verifier decides, by Envoy's rules; Node's would know neither its matchers nor its reasons.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    };
    const { validation } = material;
    const hostName = verifiesSni ? sni : '';
    this.verifier = validation && new PeerVerifier(validation, { isRequired: true, hostName });
  }

  keepSession(session: Buffer): void {
    if (this.#reusesSessions) this.session = session;
  }
}

export interface UpstreamTlsOptions {
  readonly store: CertificateStore;
  readonly stats: StatsStore;
  readonly clusterName: string;
  /** Called when its secrets have changed. */
  readonly onUpdate?: () => void;
}

export class UpstreamTlsContext extends LiveContext<ClientContext> {
  constructor(config: UpstreamTls, { store, stats, clusterName, onUpdate }: UpstreamTlsOptions) {
    super({
      tls: config,
      store,
      stats: new SslStats(stats, `cluster.${clusterName}.`, 'client'),
      owner: `cluster ${clusterName}`,
      build: (material) => new ClientContext(config, material),
      onUpdate,
    });
  }
}
