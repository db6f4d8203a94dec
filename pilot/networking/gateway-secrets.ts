/** The secrets that the servers of a gateway name, as SDS sends them. */
import { credentialNamesOf, isPassthrough } from '../../crds/gateway.ts';
import type { Secret } from '../../proxy/api/envoy.gen.ts';
import { authoritySecretName, certificateSecretName, type Credentials } from '../model/credentials.ts';
import type { GatewayListener } from '../model/gateways.ts';

/** `namespace`: of the gateway, whose secrets alone are its own. */
export function buildGatewaySecrets(
  listeners: readonly GatewayListener[],
  namespace: string,
  credentials: Credentials,
): Secret[] {
  const settings = listeners.flatMap(({ servers }) => servers.map(({ server: { tls = {} } }) => tls));
  const named = settings.filter((tls) => !isPassthrough(tls)).flatMap(credentialNamesOf);
  return [...new Set(named)].flatMap((name) => {
    const certificate = credentials.certificateOf(namespace, name);
    const trustedCa = credentials.authorityOf(namespace, name);
    return [
      ...(certificate === undefined ? [] : [toCertificate(certificateSecretName(name), certificate)]),
      ...(trustedCa === undefined ? [] : [toAuthority(authoritySecretName(name), trustedCa)]),
    ];
  });
}

function toCertificate(name: string, { chain, key }: { readonly chain: string; readonly key: string }): Secret {
  return {
    name,
    tls_certificate: { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } },
  };
}

function toAuthority(name: string, inline_string: string): Secret {
  return { name, validation_context: { trusted_ca: { inline_string } } };
}
