/**
 * Providers of authorization as Envoy's ext_authz filters. Each is in every chain, and asks about the requests that the
 * RBAC filter in front of it would deny: it lets all of them pass, and says which it means.
 */
import { type AuthorizationService, authorizationProviders } from '../../crds/authorization-provider.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  envoy_extensions_filters_http_rbac_v3_RBAC as Rbac,
  ExtAuthz,
  HttpFilter,
} from '../../proxy/api/envoy.gen.ts';
import { outboundClusterName } from './cluster-name.ts';
import { protoDurationOf } from './proto-duration.ts';

const extAuthzType = typeUrlOf('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz');

const rbacType = typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBAC');
const rbacNamespace = 'envoy.filters.http.rbac';

/** Of the RBAC filter that finds the requests to ask about. */
export function askingFilterName(provider: string): string {
  return `envoy.filters.http.rbac.custom.${provider}`;
}

/** Of its statistics, and of the keys of its metadata. */
export function askedStatPrefix(provider: string): string {
  return `custom_rules.${provider}.`;
}

export function authorizationFilterName(provider: string): string {
  return `envoy.filters.http.ext_authz.${provider}`;
}

export function buildAuthorizationFilters(meshConfig: MeshConfig): HttpFilter[] {
  return authorizationProviders(meshConfig).flatMap(({ name, service, hostname }) => {
    const { port, timeout = '1s', failOpen = false } = service;
    const cluster_name = outboundClusterName({ port, subset: '', hostname });
    const config: ExtAuthz = {
      // Not every server takes the name of a cluster, which Envoy would send, for an authority (RFC 3986 §3.2).
      grpc_service: { envoy_grpc: { cluster_name, authority: hostname }, timeout: protoDurationOf(timeout) },
      transport_api_version: 'V3',
      failure_mode_allow: failOpen,
      ...buildBody(service.includeRequestBodyInCheck),
      stat_prefix: name,
      filter_enabled_metadata: {
        filter: rbacNamespace,
        path: [{ key: `${askedStatPrefix(name)}shadow_engine_result` }],
        value: { string_match: { exact: 'denied' } },
      },
      metadata_context_namespaces: [rbacNamespace],
    };
    const finding: Rbac = { shadow_rules_stat_prefix: askedStatPrefix(name), track_per_rule_stats: true };
    return [
      { name: askingFilterName(name), typed_config: { '@type': rbacType, ...finding } },
      { name: authorizationFilterName(name), disabled: true, typed_config: { '@type': extAuthzType, ...config } },
    ];
  });
}

function buildBody(body: AuthorizationService['includeRequestBodyInCheck']): Pick<ExtAuthz, 'with_request_body'> {
  if (body === undefined) return {};
  const { maxRequestBytes, allowPartialMessage = false, packAsBytes = false } = body;
  const with_request_body = {
    max_request_bytes: maxRequestBytes,
    allow_partial_message: allowPartialMessage,
    pack_as_bytes: packAsBytes,
  };
  return { with_request_body };
}
