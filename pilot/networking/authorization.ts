/** Providers of authorization as Envoy's ext_authz filters: each is in every chain, and asks where a route switches it on. */
import { authorizationProviders } from '../../crds/authorization-provider.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { ExtAuthz, HttpFilter } from '../../proxy/api/envoy.gen.ts';
import { outboundClusterName } from './cluster-name.ts';
import { protoDurationOf } from './proto-duration.ts';

const extAuthzType = typeUrlOf('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz');

export function authorizationFilterName(provider: string): string {
  return `envoy.filters.http.ext_authz.${provider}`;
}

export function buildAuthorizationFilters(meshConfig: MeshConfig): HttpFilter[] {
  return authorizationProviders(meshConfig).map(({ name, service, hostname }) => {
    const { port, timeout = '1s', failOpen = false } = service;
    const cluster_name = outboundClusterName({ port, subset: '', hostname });
    const config: ExtAuthz = {
      // Not every server takes the name of a cluster, which Envoy would send, for an authority (RFC 3986 §3.2).
      grpc_service: { envoy_grpc: { cluster_name, authority: hostname }, timeout: protoDurationOf(timeout) },
      transport_api_version: 'V3',
      failure_mode_allow: failOpen,
      stat_prefix: name,
    };
    return { name: authorizationFilterName(name), disabled: true, typed_config: { '@type': extAuthzType, ...config } };
  });
}
