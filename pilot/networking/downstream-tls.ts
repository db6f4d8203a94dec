/** What the `tls` of a Gateway's server means for a filter chain, as Istio translates it. */
import { isCipherSuite } from '../../crds/checks/server-tls.ts';
import type { ServerTlsSettings } from '../../crds/gateway.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  CertificateValidationContext,
  DownstreamTlsContext,
  FilterChain,
  TlsParameters,
  TlsParameters_TlsProtocol,
} from '../../proxy/api/envoy.gen.ts';
import { buildNameMatcher } from './upstream-tls.ts';

const protocols: Readonly<Record<string, TlsParameters_TlsProtocol>> = {
  TLS_AUTO: 'TLS_AUTO',
  TLSV1_0: 'TLSv1_0',
  TLSV1_1: 'TLSv1_1',
  TLSV1_2: 'TLSv1_2',
  TLSV1_3: 'TLSv1_3',
};

/** `alpnProtocols`: what is spoken inside. */
export function buildDownstreamTls(
  tls: ServerTlsSettings,
  alpnProtocols: readonly string[],
): Pick<FilterChain, 'transport_socket'> {
  const { mode, serverCertificate = '', privateKey = '' } = tls;
  const context: DownstreamTlsContext = {
    common_tls_context: {
      ...buildParameters(tls),
      tls_certificates: [{ certificate_chain: { filename: serverCertificate }, private_key: { filename: privateKey } }],
      ...(mode === 'SIMPLE' ? {} : { validation_context: buildValidation(tls) }),
      ...(alpnProtocols.length === 0 ? {} : { alpn_protocols: [...alpnProtocols] }),
    },
    require_client_certificate: mode === 'MUTUAL',
  };
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    ...context,
  };
  return { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } };
}

/** Suites that are none were warned about, and are left out as in Istio. */
function buildParameters(tls: ServerTlsSettings): { tls_params?: TlsParameters } {
  const { minProtocolVersion = 'TLS_AUTO', maxProtocolVersion = 'TLS_AUTO', cipherSuites = [] } = tls;
  const suites = [...new Set(cipherSuites)].filter((name) => name !== '' && isCipherSuite(name));
  const tls_params: TlsParameters = {
    ...(minProtocolVersion === 'TLS_AUTO' ? {} : { tls_minimum_protocol_version: protocols[minProtocolVersion] }),
    ...(maxProtocolVersion === 'TLS_AUTO' ? {} : { tls_maximum_protocol_version: protocols[maxProtocolVersion] }),
    ...(suites.length === 0 ? {} : { cipher_suites: suites }),
  };
  return Object.keys(tls_params).length === 0 ? {} : { tls_params };
}

function buildValidation({
  caCertificates = '',
  subjectAltNames = [],
}: ServerTlsSettings): CertificateValidationContext {
  return {
    trusted_ca: { filename: caCertificates },
    ...(subjectAltNames.length === 0 ? {} : { match_typed_subject_alt_names: subjectAltNames.map(buildNameMatcher) }),
  };
}
