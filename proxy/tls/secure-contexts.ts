/** From secrets in PEM to what OpenSSL works with. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { CommonTls } from '../api/tls.ts';
import type { CertificateMaterial, TlsMaterial, ValidationMaterial } from './certificate-store.ts';
import { subjectAltNamesOf } from './peer-names.ts';

/**
 * Throws what OpenSSL says: a key of another certificate, text that is no certificate. Several certificates must have
 * keys of different types; OpenSSL takes the one that the client understands.
 */
export function buildSecureContext(
  tls: CommonTls,
  certificates: readonly CertificateMaterial[],
  { validation }: Pick<TlsMaterial, 'validation'>,
  options: SecureContextOptions = {},
): SecureContext {
  return createSecureContext({
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ key, password }) => ({
      pem: key,
      ...(password === undefined ? {} : { passphrase: password }),
    })),
    ...(validation?.trustedCa === undefined ? {} : { ca: authoritiesOf(validation.trustedCa) }),
    ...(validation?.crl === undefined ? {} : { crl: validation.crl }),
    // Envoy sets X509_V_FLAG_PARTIAL_CHAIN: whoever is named as an authority is one.
    allowPartialTrustChain: true,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: tls.cipherSuites.join(':'),
    ...(tls.ecdhCurves.length === 0 ? {} : { ecdhCurve: tls.ecdhCurves.join(':') }),
    ...options,
  });
}

/** Throws what OpenSSL says. */
export function checkCertificate({ chain, key, password }: CertificateMaterial): void {
  createSecureContext({ cert: chain, key, ...(password === undefined ? {} : { passphrase: password }) });
}

/** Throws what OpenSSL says. */
export function checkValidation({ trustedCa, crl }: ValidationMaterial): void {
  createSecureContext({
    ...(trustedCa === undefined ? {} : { ca: authoritiesOf(trustedCa) }),
    ...(crl === undefined ? {} : { crl }),
  });
}

/** OpenSSL stops at the first text that is no certificate and reports nothing: an empty bundle must not pass unseen. */
function authoritiesOf(pem: string): string {
  if (!pem.includes('-----BEGIN')) throw new Error('trusted_ca has no certificate in PEM');
  return pem;
}

/** The contexts of a listener: which certificate is shown is a matter of the server name that is asked for. */
export class ServerContexts {
  readonly #default: SecureContext;
  /** By name in lower case, wildcards without their `*`. */
  readonly #byName = new Map<string, SecureContext>();

  /** As in Envoy: for each name, the first certificate of each type of key; the first of all where no name fits. */
  constructor(
    certificates: readonly CertificateMaterial[],
    build: (chosen: readonly CertificateMaterial[]) => SecureContext,
  ) {
    const built = new Map<string, SecureContext>();
    const contextOf = (indexes: readonly number[]): SecureContext => {
      const key = indexes.join();
      const context = built.get(key) ?? build(indexes.flatMap((index) => certificates[index] ?? []));
      built.set(key, context);
      return context;
    };
    const choices = new Map<string, Map<string, number>>();
    for (const [index, { chain }] of certificates.entries()) {
      const leaf = new X509Certificate(chain);
      const keyType = leaf.publicKey.asymmetricKeyType ?? '';
      for (const name of serverNamesOf(leaf)) {
        const choice = choices.get(name) ?? new Map<string, number>();
        choices.set(name, choice);
        if (!choice.has(keyType)) choice.set(keyType, index);
      }
    }
    this.#default = contextOf([0]);
    for (const [name, choice] of choices) this.#byName.set(name, contextOf([...choice.values()]));
  }

  /** Empty name: none was asked for. */
  find(serverName: string): SecureContext {
    const dot = serverName.indexOf('.');
    const wildcard = dot > 0 ? this.#byName.get(serverName.slice(dot)) : undefined;
    return this.#byName.get(serverName) ?? wildcard ?? this.#default;
  }
}

/** Its DNS names; the common name where it has no alternative names at all. */
function serverNamesOf(certificate: X509Certificate): string[] {
  const [, commonName] = /^CN=(.+)$/m.exec(certificate.subject) ?? [];
  const names = subjectAltNamesOf(certificate).flatMap(({ type, value }) => (type === 'DNS' ? [value] : []));
  const all = certificate.subjectAltName === undefined && commonName !== undefined ? [commonName] : names;
  return all.map((name) => name.toLowerCase().replace(/^\*(?=\.)/, ''));
}
