/** Decodes `envoy.extensions.transport_sockets.tls.v3.Secret` and what it is made of. */
import type { Decoded } from '../common/decoded.ts';
import { requireAds } from './config-source-decoder.ts';
import type {
  CertificateValidationContext as CertificateValidationContextJson,
  DataSource as DataSourceJson,
  SdsSecretConfig as SdsSecretConfigJson,
  Secret as SecretJson,
  SubjectAltNameMatcher as SubjectAltNameMatcherJson,
  TlsCertificate as TlsCertificateJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { readStringMatcher } from './route-match-decoder.ts';
import type { CertificateValidation, DataSource, Secret, SubjectAltNameMatcher, TlsCertificate } from './tls.ts';

export function decodeSecret(json: SecretJson): Decoded<Secret> {
  return decodeFields(json, '', (fields) => {
    const name = fields.name('name');
    const validation = fields.message('validation_context');
    if (validation !== undefined) {
      return { name, content: { kind: 'validation_context', validation: readValidation(validation) } };
    }
    return {
      name,
      content: { kind: 'tls_certificate', certificate: readCertificate(fields.required('tls_certificate')) },
    };
  });
}

/** The name under which ADS has a secret. */
export function readSdsName(fields: Fields<SdsSecretConfigJson>): string {
  requireAds(fields.required('sds_config'));
  return fields.name('name');
}

export function readCertificate(fields: Fields<TlsCertificateJson>): TlsCertificate {
  const password = fields.message('password');
  return {
    certificateChain: readDataSource(fields.required('certificate_chain')),
    privateKey: readDataSource(fields.required('private_key')),
    password: password && readDataSource(password),
    watchedDirectory: fields.message('watched_directory')?.name('path') ?? '',
  };
}

export function readDataSource(fields: Fields<DataSourceJson>): DataSource {
  if (fields.has('filename')) return { kind: 'file', path: fields.name('filename') };
  const text = fields.take('inline_string') ?? Buffer.from(fields.text('inline_bytes'), 'base64').toString();
  if (text === '') fields.failHere('must have one of filename, inline_string and inline_bytes');
  return { kind: 'inline', text };
}

export function readValidation(fields: Fields<CertificateValidationContextJson>): CertificateValidation {
  fields.only('allow_expired_certificate', false);
  fields.only('only_verify_leaf_cert_crl', false);
  fields.only('require_signed_certificate_timestamp', false);
  const trustedCa = fields.message('trusted_ca');
  const crl = fields.message('crl');
  return {
    trustedCa: trustedCa && readDataSource(trustedCa),
    crl: crl && readDataSource(crl),
    subjectAltNames: readSubjectAltNames(fields),
    certificateHashes: (fields.take('verify_certificate_hash') ?? []).map((hash) => readHexHash(fields, hash)),
    spkiHashes: (fields.take('verify_certificate_spki') ?? []).map((hash) => readBase64Hash(fields, hash)),
    acceptsUntrusted:
      fields.choice('trust_chain_verification', ['VERIFY_TRUST_CHAIN', 'ACCEPT_UNTRUSTED']) === 'ACCEPT_UNTRUSTED',
    watchedDirectory: fields.message('watched_directory')?.name('path') ?? '',
  };
}

/** Without their type, an older spelling that Envoy and Istio still use, names are DNS names, URIs and the others alike. */
function readSubjectAltNames(fields: Fields<CertificateValidationContextJson>): SubjectAltNameMatcher[] {
  const typed = fields.list('match_typed_subject_alt_names', readSubjectAltName);
  const untyped = fields.list('match_subject_alt_names', readStringMatcher);
  if (typed.length > 0 && untyped.length > 0) {
    fields.fail('match_subject_alt_names', 'must not stand beside match_typed_subject_alt_names');
  }
  const types = ['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'] as const;
  return [...typed, ...untyped.flatMap((matcher) => types.map((type) => ({ type, matcher })))];
}

function readSubjectAltName(fields: Fields<SubjectAltNameMatcherJson>): SubjectAltNameMatcher {
  if (!fields.has('san_type')) fields.fail('san_type', 'must be set');
  const type = fields.choice('san_type', ['DNS', 'URI', 'EMAIL', 'IP_ADDRESS']);
  return { type, matcher: readStringMatcher(fields.required('matcher')) };
}

/** Envoy takes the form with colons, as openssl prints it, too. */
function readHexHash(fields: Fields<CertificateValidationContextJson>, text: string): string {
  const hash = text.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hash)) fields.fail('verify_certificate_hash', 'must be SHA-256 in hex');
  return hash;
}

function readBase64Hash(fields: Fields<CertificateValidationContextJson>, text: string): string {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) fields.fail('verify_certificate_spki', 'must be SHA-256 in base64');
  return text;
}
