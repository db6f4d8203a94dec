/**
 * TLS as decoded from `envoy.extensions.transport_sockets.tls.v3`: what a listener presents and asks for
 * (DownstreamTlsContext), what a cluster does (UpstreamTlsContext), and the secrets both refer to.
 */
import type { StringMatcher } from './route.ts';

/** Where a part of a secret stands. What is in a file is read again when the file changes. */
export type DataSource =
  | { readonly kind: 'inline'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

/** A secret that is given in place, or the name under which SDS has it. */
export type SecretSource<T> =
  | { readonly kind: 'given'; readonly secret: T }
  | { readonly kind: 'sds'; readonly name: string };

/** A certificate with its key, in PEM. */
export interface TlsCertificate {
  /** The leaf first. */
  readonly certificateChain: DataSource;
  readonly privateKey: DataSource;
  /** Of the private key. */
  readonly password: DataSource | undefined;
  /** Watched besides the folders that files stand in; empty for none. */
  readonly watchedDirectory: string;
}

/** What a peer's certificate has to be. Without an authority and without hashes nothing is asked of it. */
export interface CertificateValidation {
  /** Certificates in PEM, one of which the peer's must descend from. */
  readonly trustedCa: DataSource | undefined;
  readonly crl: DataSource | undefined;
  /** One of the certificate's names must match one of these; empty: none is looked at. */
  readonly subjectAltNames: readonly SubjectAltNameMatcher[];
  /** SHA-256 of the certificate, in lower-case hex; one of these or of `spkiHashes` is enough. */
  readonly certificateHashes: readonly string[];
  /** SHA-256 of the public key, in base64. */
  readonly spkiHashes: readonly string[];
  /** A certificate that does not descend from `trustedCa` is let in all the same. */
  readonly acceptsUntrusted: boolean;
  readonly watchedDirectory: string;
}

export interface SubjectAltNameMatcher {
  readonly type: 'DNS' | 'URI' | 'IP_ADDRESS' | 'EMAIL';
  readonly matcher: StringMatcher;
}

/** A validation that is given, and the name under which SDS has the rest of it; `undefined`: all of it is given. */
export interface ValidationSource {
  readonly given: CertificateValidation;
  readonly sdsName: string | undefined;
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface CommonTls {
  readonly certificates: readonly SecretSource<TlsCertificate>[];
  /** Undefined: the peer's certificate is not looked at. */
  readonly validation: ValidationSource | undefined;
  /** In order of preference. */
  readonly alpnProtocols: readonly string[];
  /** TLSv1.2 by default. */
  readonly minVersion: TlsVersion;
  /** By default TLSv1.3 for listeners and TLSv1.2 for clusters, as in Envoy. */
  readonly maxVersion: TlsVersion;
  /** Names of OpenSSL, up to TLS 1.2; never empty. */
  readonly cipherSuites: readonly string[];
  /** Empty: those of the library. */
  readonly ecdhCurves: readonly string[];
}

/** Of a filter chain. */
export interface DownstreamTls extends CommonTls {
  readonly requiresClientCertificate: boolean;
  /** Whether the server picks the cipher suite, up to TLS 1.2. */
  readonly prefersOwnCiphers: boolean;
  /** Whether sessions are resumed by tickets. */
  readonly issuesTickets: boolean;
  /** Of sessions, in whole seconds; undefined: the library's. */
  readonly sessionTimeoutSeconds: number | undefined;
}

/** Of a cluster. */
export interface UpstreamTls extends CommonTls {
  /** Server name that is asked for; empty for none. */
  readonly sni: string;
  /** The server's certificate must be for `sni`, whatever `subjectAltNames` say. */
  readonly verifiesSni: boolean;
  /** Whether sessions are resumed. */
  readonly reusesSessions: boolean;
}

/** From SDS. */
export interface Secret {
  readonly name: string;
  readonly content:
    | { readonly kind: 'tls_certificate'; readonly certificate: TlsCertificate }
    | { readonly kind: 'validation_context'; readonly validation: CertificateValidation };
}
