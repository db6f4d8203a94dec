/** Decodes `DownstreamTlsContext` and `UpstreamTlsContext`, the transport sockets of filter chains and of clusters. */
import type {
  CommonTlsContext as CommonTlsContextJson,
  DownstreamTlsContext as DownstreamTlsContextJson,
  TlsParameters as TlsParametersJson,
  TransportSocket as TransportSocketJson,
  UpstreamTlsContext as UpstreamTlsContextJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { readCertificate, readSdsName, readValidation } from './secret-decoder.ts';
import type {
  CertificateValidation,
  CommonTls,
  DownstreamTls,
  SecretSource,
  TlsCertificate,
  TlsVersion,
  UpstreamTls,
  ValidationSource,
} from './tls.ts';

/** Of a filter chain; undefined: plain text. */
export function readDownstreamTls(fields: Fields<TransportSocketJson> | undefined): DownstreamTls | undefined {
  fields?.ignore('name');
  return fields?.typed<DownstreamTls | undefined>('typed_config', {
    'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': () => undefined,
    'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext': readDownstreamContext,
  });
}

/** Of a transport socket within another; undefined: plain text. */
export function readUpstreamTls(fields: Fields<TransportSocketJson>): UpstreamTls | undefined {
  fields.ignore('name');
  return fields.typed<UpstreamTls | undefined>('typed_config', {
    'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': () => undefined,
    'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': readUpstreamContext,
  });
}

function readDownstreamContext(fields: Fields<DownstreamTlsContextJson>): DownstreamTls {
  // Envoy reads neither; sessions live in tickets, and no cache of them is kept here.
  fields.only('require_sni', false);
  fields.ignore('disable_stateful_session_resumption');
  fields.only('ocsp_staple_policy', 'LENIENT_STAPLING');
  fields.only('full_scan_certs_on_sni_mismatch', false);
  const common = readCommon(fields.required('common_tls_context'), 'TLSv1.3');
  if (common.certificates.length === 0) {
    fields.fail(
      'common_tls_context',
      'must have a certificate: tls_certificates or tls_certificate_sds_secret_configs',
    );
  }
  const requiresClientCertificate = fields.flag('require_client_certificate');
  return {
    ...common,
    requiresClientCertificate: requiresClientCertificate || asksOfCertificates(common.validation),
    prefersOwnCiphers: !fields.flag('prefer_client_ciphers'),
    issuesTickets: !fields.flag('disable_stateless_session_resumption'),
    sessionTimeoutSeconds: fields.has('session_timeout')
      ? Math.floor(fields.durationMs('session_timeout', 0) / 1000)
      : undefined,
  };
}

/** Who asks for something in a certificate asks for a certificate, as in Envoy. */
function asksOfCertificates(validation: ValidationSource | undefined): boolean {
  if (validation === undefined) return false;
  const { subjectAltNames, certificateHashes, spkiHashes } = validation.given;
  return subjectAltNames.length + certificateHashes.length + spkiHashes.length > 0;
}

/** Towards the hosts of a cluster. */
export function readUpstreamContext(fields: Fields<UpstreamTlsContextJson>): UpstreamTls {
  fields.only('allow_renegotiation', false);
  fields.only('auto_host_sni', false);
  // Envoy ignores it: keys are used for what their certificate says anyway.
  fields.ignore('enforce_rsa_key_usage');
  const common = readCommon(fields.required('common_tls_context'), 'TLSv1.2');
  if (common.certificates.length > 1) {
    fields.fail('common_tls_context', `must have at most one certificate, got ${common.certificates.length}`);
  }
  const sni = fields.text('sni');
  if (Buffer.byteLength(sni) > 255) fields.fail('sni', `must have at most 255 bytes, got ${Buffer.byteLength(sni)}`);
  const verifiesSni = fields.flag('auto_sni_san_validation');
  if (verifiesSni && sni === '') fields.fail('auto_sni_san_validation', 'needs an sni');
  const { given, sdsName } = common.validation ?? { given: noValidation, sdsName: undefined };
  if (verifiesSni && given.trustedCa === undefined && sdsName === undefined) {
    fields.fail('auto_sni_san_validation', 'needs a validation context with trusted_ca');
  }
  return {
    ...common,
    sni,
    verifiesSni,
    reusesSessions: fields.number('max_session_keys', { defaultValue: 1, max: 1 }) > 0,
  };
}

function readCommon(fields: Fields<CommonTlsContextJson>, defaultMaxVersion: TlsVersion): CommonTls {
  return {
    certificates: readCertificates(fields),
    validation: readValidationSource(fields),
    alpnProtocols: readAlpn(fields),
    ...readParameters(fields.message('tls_params'), defaultMaxVersion),
  };
}

function readCertificates(fields: Fields<CommonTlsContextJson>): SecretSource<TlsCertificate>[] {
  const given = fields.list('tls_certificates', (certificate) => ({
    kind: 'given' as const,
    secret: readCertificate(certificate),
  }));
  const named = fields.list('tls_certificate_sds_secret_configs', (config) => ({
    kind: 'sds' as const,
    name: readSdsName(config),
  }));
  if (given.length > 0 && named.length > 0) {
    fields.fail('tls_certificate_sds_secret_configs', 'must not stand beside tls_certificates');
  }
  return [...given, ...named];
}

const noValidation: CertificateValidation = {
  trustedCa: undefined,
  crl: undefined,
  subjectAltNames: [],
  certificateHashes: [],
  spkiHashes: [],
  acceptsUntrusted: false,
  watchedDirectory: '',
};

function readValidationSource(fields: Fields<CommonTlsContextJson>): ValidationSource | undefined {
  const given = fields.message('validation_context');
  if (given !== undefined) {
    const validation = readValidation(given);
    if (validation.subjectAltNames.length > 0 && validation.trustedCa === undefined) {
      given.failHere('must have trusted_ca: names in a certificate that anybody may have issued prove nothing');
    }
    return { given: validation, sdsName: undefined };
  }
  const named = fields.message('validation_context_sds_secret_config');
  if (named !== undefined) return { given: noValidation, sdsName: readSdsName(named) };
  const combined = fields.message('combined_validation_context');
  return (
    combined && {
      given: readValidation(combined.required('default_validation_context')),
      sdsName: readSdsName(combined.required('validation_context_sds_secret_config')),
    }
  );
}

/** RFC 7301 §3.1: a length in one byte, and two for all of them. */
function readAlpn(fields: Fields<CommonTlsContextJson>): readonly string[] {
  const protocols = fields.take('alpn_protocols') ?? [];
  // Envoy takes several in one string, separated by commas.
  const split = protocols.flatMap((protocol) => protocol.split(','));
  const hasFault = split.some((protocol) => protocol === '' || Buffer.byteLength(protocol) > 255);
  if (hasFault) fields.fail('alpn_protocols', 'must be names of 1 to 255 bytes');
  return split;
}

const versions: Readonly<Record<string, TlsVersion>> = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
};

/** Envoy's default, for servers and for clients. */
const defaultCipherSuites: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];

type Parameters = Pick<CommonTls, 'minVersion' | 'maxVersion' | 'cipherSuites' | 'ecdhCurves'>;

function readParameters(fields: Fields<TlsParametersJson> | undefined, defaultMaxVersion: TlsVersion): Parameters {
  if (fields === undefined) {
    return {
      minVersion: 'TLSv1.2',
      maxVersion: defaultMaxVersion,
      cipherSuites: defaultCipherSuites,
      ecdhCurves: [],
    };
  }
  const minVersion = versions[fields.take('tls_minimum_protocol_version') ?? ''] ?? 'TLSv1.2';
  const maxVersion = versions[fields.take('tls_maximum_protocol_version') ?? ''] ?? defaultMaxVersion;
  if (minVersion > maxVersion) {
    fields.fail('tls_minimum_protocol_version', `must not be above the maximum, ${maxVersion}, got ${minVersion}`);
  }
  const cipherSuites = (fields.take('cipher_suites') ?? []).flatMap((text) => readCipherSuites(fields, text));
  const ecdhCurves = fields.take('ecdh_curves') ?? [];
  if (!ecdhCurves.every((curve) => /^[A-Za-z0-9-]+$/.test(curve)))
    fields.fail('ecdh_curves', 'must be names of curves');
  return {
    minVersion,
    maxVersion,
    cipherSuites: cipherSuites.length === 0 ? defaultCipherSuites : cipherSuites,
    ecdhCurves,
  };
}

/** BoringSSL's `[A|B]`, ciphers that are as good as each other, is an order here. */
function readCipherSuites(fields: Fields<TlsParametersJson>, text: string): string[] {
  const names = text
    .replaceAll(/\[([^[\]]*)\]/g, (_, group: string) => group.replaceAll('|', ':'))
    .split(':')
    .filter((name) => name !== '');
  const bad = names.find((name) => !/^[A-Z0-9-]+$/.test(name) || name.startsWith('-'));
  if (bad !== undefined) fields.fail('cipher_suites', `must be names of cipher suites, got ${JSON.stringify(bad)}`);
  return names;
}
