/** What a DestinationRule's `tls` means for a cluster, as Istio translates it. */
import { isIP } from 'node:net';
import type { ClientTLSSettings } from '../../crds/traffic-policy.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  CertificateValidationContext,
  CommonTlsContext,
  SubjectAltNameMatcher,
  TransportSocket,
} from '../../proxy/api/envoy.gen.ts';
import type { HttpVersion } from '../model/service.ts';

/**
 * Istio's `system`: the authorities that the client's system trusts. Envoy knows no word for them, only this file of its
 * images; Heddle's sidecar takes the file that its own system has instead.
 */
const systemAuthorities = '/etc/ssl/certs/ca-certificates.crt';

export interface TlsUpstream {
  /** Of the service. */
  readonly hostname: string;
  /** What is spoken inside. */
  readonly version: HttpVersion;
}

export function buildUpstreamTls(tls: ClientTLSSettings, { hostname, version }: TlsUpstream): TransportSocket {
  // Which host of a wildcard is meant is not known here.
  const sni = tls.sni || (hostname.startsWith('*') ? '' : hostname);
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
      common_tls_context: {
        // Envoy's own default for clients ends at TLS 1.2; Istio's does not.
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        ...buildCertificate(tls),
        ...buildValidation(tls, sni || hostname),
        // As in Istio: what is offered otherwise is up to the proxy, which knows what a connection is for.
        ...(version === 'http2' ? { alpn_protocols: ['h2'] } : {}),
      },
      ...(sni === '' ? {} : { sni }),
    },
  };
}

/** DISABLE is what a cluster does without any. */
export function isTlsOriginated(tls: ClientTLSSettings | undefined): tls is ClientTLSSettings {
  return tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL';
}

function buildCertificate(tls: ClientTLSSettings): Pick<CommonTlsContext, 'tls_certificates'> {
  if (tls.mode !== 'MUTUAL') return {};
  const certificate_chain = { filename: tls.clientCertificate ?? '' };
  return { tls_certificates: [{ certificate_chain, private_key: { filename: tls.privateKey ?? '' } }] };
}

/**
 * Istio verifies the name in the certificate unless an `sni` is given without `subjectAltNames`; then a certificate for
 * any name would do. Here it must be for the name that was asked for.
 */
function buildValidation(tls: ClientTLSSettings, host: string): Pick<CommonTlsContext, 'validation_context'> {
  if (tls.insecureSkipVerify === true) return {};
  const names = tls.subjectAltNames ?? [];
  const validation_context: CertificateValidationContext = {
    trusted_ca: { filename: tls.caCertificates || systemAuthorities },
    match_typed_subject_alt_names: names.length === 0 ? [buildHostMatcher(host)] : names.map(buildNameMatcher),
    ...(tls.caCrl ? { crl: { filename: tls.caCrl } } : {}),
  };
  return { validation_context };
}

/** The certificate of a host of a wildcard may be for any of them. */
function buildHostMatcher(host: string): SubjectAltNameMatcher {
  return { san_type: 'DNS', matcher: host.startsWith('*') ? { suffix: host.slice(1) } : { exact: host } };
}

/** Istio does not say of which type a name is. Only a DNS name may stand for a wildcard in the certificate. */
export function buildNameMatcher(name: string): SubjectAltNameMatcher {
  return { san_type: typeOf(name), matcher: { exact: name } };
}

function typeOf(name: string): NonNullable<SubjectAltNameMatcher['san_type']> {
  if (name.includes('://')) return 'URI';
  if (name.includes('@')) return 'EMAIL';
  return isIP(name) === 0 ? 'DNS' : 'IP_ADDRESS';
}
