/** What is asked of a peer's certificate beyond what the library has found out about its chain. */
import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ValidationMaterial } from './certificate-store.ts';
import { compileNameMatchers, type NamesTest, subjectAltNamesOf } from './peer-names.ts';
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
      return this.#isRequired ? { kind: 'no_cert', detail: 'no certificate' } : undefined;
    }
    const { trustedCa, acceptsUntrusted } = this.#validation;
    if (trustedCa !== undefined && chain !== undefined && !acceptsUntrusted) return { kind: 'error', detail: chain };
    if (this.#names !== undefined && !this.#names(subjectAltNamesOf(certificate))) {
      return { kind: 'san', detail: 'verify SAN list' };
    }
    return this.#hasHash(certificate) ? undefined : { kind: 'cert_hash', detail: 'verify certificate hash list' };
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
