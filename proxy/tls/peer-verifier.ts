/** What is asked of a peer's certificate beyond what the library has found out about its chain. */
import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ValidationMaterial } from './certificate-store.ts';
import { compileNameMatchers, type NamesTest, type SubjectAltName, subjectAltNamesOf } from './peer-names.ts';
import type { VerificationFault } from './tls-failure.ts';

/** The library's verdict on the chain; undefined: it descends from an authority that is trusted. */
export type ChainVerdict = string | undefined;

export interface PeerVerifierOptions {
  /** A server has one in any case, and a client only when that is asked for. */
  readonly isRequired: boolean;
  /** The certificate must be for this name; empty: for any. */
  readonly hostName?: string;
}

export class PeerVerifier {
  readonly #validation: ValidationMaterial;
  readonly #isRequired: boolean;
  readonly #names: NamesTest | undefined;

  constructor(validation: ValidationMaterial, { isRequired, hostName = '' }: PeerVerifierOptions) {
    const { subjectAltNames, trustedCa } = validation;
    const exact = { kind: 'exact', value: hostName, ignoreCase: true } as const;
    const matchers = hostName === '' ? subjectAltNames : [{ type: 'DNS' as const, matcher: exact }];
    // Anybody can issue a certificate with any name.
    if (matchers.length > 0 && trustedCa === undefined) throw new Error('names are not verified without trusted_ca');
    this.#validation = validation;
    this.#isRequired = isRequired;
    this.#names = matchers.length === 0 ? undefined : compileNameMatchers(matchers);
  }

  /** Undefined: the peer is who it should be. */
  verify(certificate: X509Certificate | undefined, chain: ChainVerdict): VerificationFault | undefined {
    if (certificate === undefined) {
      return this.#isRequired ? missingCertificate : undefined;
    }
    const { trustedCa, acceptsUntrusted } = this.#validation;
    if (trustedCa !== undefined && chain !== undefined && !acceptsUntrusted) return untrustedChain(chain);
    const names = this.#names === undefined ? [] : subjectAltNamesOf(certificate);
    if (this.#names?.(names) === false) return wrongNames(names);
    return this.#hasHash(certificate) ? undefined : wrongHash;
  }

  #hasHash(certificate: X509Certificate): boolean {
    const { certificateHashes, spkiHashes } = this.#validation;
    if (certificateHashes.length === 0 && spkiHashes.length === 0) return true;
    const hash = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    if (certificateHashes.includes(hash)) return true;
    if (spkiHashes.length === 0) return false;
    const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
    return spkiHashes.includes(createHash('sha256').update(key).digest('base64'));
  }
}

export const missingCertificate: VerificationFault = {
  kind: 'no_cert',
  detail: '',
  message: 'the peer has sent no certificate',
};

const wrongHash: VerificationFault = {
  kind: 'cert_hash',
  detail: 'cert hash list',
  message: "the peer's certificate is none of those expected",
};

/** Envoy adds at which depth of the chain, which Node does not tell. */
function untrustedChain(verdict: string): VerificationFault {
  return {
    kind: 'error',
    detail: `X509_verify_cert: certificate verification error: ${verdict}`,
    message: `the peer's certificate is not trusted: ${verdict}`,
  };
}

function wrongNames(names: readonly SubjectAltName[]): VerificationFault {
  return {
    kind: 'san',
    detail: `SAN matcher, certificate SANs are [${names.map(({ value }) => value).join(', ')}]`,
    message: "the peer's certificate has none of the names expected",
  };
}

interface HandleWithVerdict {
  readonly verifyError?: () => { readonly message?: string } | null | undefined;
}

/**
 * Node tells clients what OpenSSL thinks of the chain, and servers only where it made them itself: the handle knows for
 * both. Where it should not, nobody is trusted.
 */
export function chainVerdictOf(socket: TLSSocket): ChainVerdict {
  const handle = (socket as { readonly _handle?: HandleWithVerdict })._handle;
  if (typeof handle?.verifyError !== 'function') return 'certificate verification is not available';
  const error = handle.verifyError();
  return error === null || error === undefined ? undefined : (error.message ?? 'certificate verification error');
}
