/** What the `tls` of a Gateway's server means for a filter chain, as Istio translates it. */
import { isCipherSuite } from '../../crds/checks/server-tls.ts';
import { credentialNamesOf, type ServerTlsSettings } from '../../crds/gateway.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  CertificateValidationContext,
  CommonTlsContext,
  DownstreamTlsContext,
  FilterChain,
  SdsSecretConfig,
  TlsParameters,
  TlsParameters_TlsProtocol,
} from '../../proxy/api/envoy.gen.ts';
import { authoritySecretName, certificateSecretName } from '../model/credentials.ts';
import { adsConfigSource } from './config-source.ts';
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
  const context: DownstreamTlsContext = {
    common_tls_context: {
      ...buildParameters(tls),
      ...(credentialNamesOf(tls).length > 0 ? buildNamedSecrets(tls) : buildFiles(tls)),
      ...(alpnProtocols.length === 0 ? {} : { alpn_protocols: [...alpnProtocols] }),
    },
    require_client_certificate: tls.mode === 'MUTUAL',
  };
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    ...context,
  };
  return { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } };
}

function buildFiles(tls: ServerTlsSettings): CommonTlsContext {
  const { mode, caCertificates = '', tlsCertificates = [] } = tls;
  // Istio takes two, one of each kind of key; users are warned of more.
  const certificates = tlsCertificates.length > 0 ? tlsCertificates.slice(0, 2) : [tls];
  return {
    tls_certificates: certificates.map(({ serverCertificate = '', privateKey = '' }) => {
      return { certificate_chain: { filename: serverCertificate }, private_key: { filename: privateKey } };
    }),
    ...(mode === 'SIMPLE'
      ? {}
      : { validation_context: { trusted_ca: { filename: caCertificates }, ...buildNames(tls) } }),
  };
}

/** Secrets that the control plane sends, and sends again when they change. The authority is the first one's. */
function buildNamedSecrets(tls: ServerTlsSettings): CommonTlsContext {
  const secret = (name: string): SdsSecretConfig => ({ name, sds_config: adsConfigSource });
  const names = credentialNamesOf(tls);
  const combined_validation_context = {
    default_validation_context: buildNames(tls),
    validation_context_sds_secret_config: secret(authoritySecretName(names[0] ?? '')),
  };
  return {
    tls_certificate_sds_secret_configs: names.map((name) => secret(certificateSecretName(name))),
    ...(tls.mode === 'SIMPLE' ? {} : { combined_validation_context }),
  };
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

function buildNames({ subjectAltNames = [] }: ServerTlsSettings): CertificateValidationContext {
  return subjectAltNames.length === 0 ? {} : { match_typed_subject_alt_names: subjectAltNames.map(buildNameMatcher) };
}
