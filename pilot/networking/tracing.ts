/** Tracing of the sidecars' listeners and routes, as MeshConfig asks for it; the same in Envoy's words as Istio writes it. */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { type OpenTelemetryTracing, tracingProviderOf } from '../../crds/mesh-tracing.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { HttpConnectionManager, Route } from '../../proxy/api/envoy.gen.ts';
import { workloadIdentity } from '../../proxy/api/peer-metadata.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { outboundClusterName, parseOutboundClusterName } from './cluster-name.ts';
import { protoDurationOf } from './proto-duration.ts';

const defaultSamplingPercent = 1;

export function isTracing(meshConfig: MeshConfig): boolean {
  return tracingProviderOf(meshConfig) !== undefined;
}

/** Nothing when the mesh traces nothing. */
export function buildTracing(node: NodeMetadata, meshConfig: MeshConfig): Pick<HttpConnectionManager, 'tracing'> {
  const provider = tracingProviderOf(meshConfig);
  if (provider === undefined) return {};
  return {
    tracing: {
      client_sampling: { value: 100 },
      random_sampling: { value: meshConfig.defaultConfig?.tracing?.sampling ?? defaultSamplingPercent },
      overall_sampling: { value: 100 },
      ...(provider.maxTagLength === undefined ? {} : { max_path_tag_length: provider.maxTagLength }),
      custom_tags: istioTags(node),
      provider: buildProvider(node, provider),
    },
  };
}

function buildProvider(node: NodeMetadata, { service, port, http }: OpenTelemetryTracing) {
  const hostname = service.slice(service.indexOf('/') + 1);
  const { path, timeout = '3s', headers = [] } = http;
  return {
    name: 'envoy.tracers.opentelemetry',
    typed_config: {
      '@type': typeUrlOf('envoy.config.trace.v3.OpenTelemetryConfig'),
      service_name: `${node.labels['app'] ?? node.workloadName}.${node.namespace}`,
      http_service: {
        http_uri: {
          uri: `http://${hostname}:${port}${path}`,
          cluster: outboundClusterName({ port, subset: '', hostname }),
          timeout: protoDurationOf(timeout),
        },
        request_headers_to_add: headers.map(({ name, value }) => ({ header: { key: name, value } })),
      },
    },
  };
}

/** There is one mesh, and it has no name. */
function istioTags(node: NodeMetadata) {
  const { canonicalService, canonicalRevision } = workloadIdentity(node);
  const tags = {
    'istio.canonical_revision': canonicalRevision,
    'istio.canonical_service': canonicalService,
    'istio.cluster_id': node.clusterId,
    'istio.mesh_id': 'unknown',
    'istio.namespace': node.namespace,
  };
  return Object.entries(tags).map(([tag, value]) => ({ tag, literal: { value: value || 'unknown' } }));
}

/** Spans are called `HOST:PORT/PATH` after where the route leads, or, with several destinations, after the virtual host. */
export function decorateRoutes(
  routes: readonly Route[],
  { hostname, port }: { readonly hostname: string; readonly port: number },
  meshConfig: MeshConfig,
): Route[] {
  if (!isTracing(meshConfig)) return [...routes];
  return routes.map((route) => {
    const destination = parseOutboundClusterName(route.route?.cluster ?? '') ?? { hostname, port };
    return { ...route, decorator: { operation: `${destination.hostname}:${destination.port}${pathOf(route)}` } };
  });
}

function pathOf({ match = {} }: Route): string {
  return match.path ?? match.safe_regex?.regex ?? `${match.prefix ?? '/'}*`;
}
