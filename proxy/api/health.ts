/**
 * Health reports as Istio's agent sends them: a DiscoveryRequest of a type that has no resources and gets no response.
 * Without `error_detail` the application is ready. Source: istio/istio `pkg/istio-agent/xds_proxy.go`.
 */
import { type DiscoveryRequest, typeUrlOf } from './discovery.ts';

/** Of an application, as its own sidecar sees it. */
export type Health = { readonly kind: 'healthy' } | { readonly kind: 'unhealthy'; readonly reason: string };

const healthTypeUrl = typeUrlOf('istio.v1.HealthInformation');

/** google.rpc.Code INTERNAL, which Istio's agent sends whatever is wrong. */
const internal = 13;

/** The request that tells a control plane. */
export function healthRequest(health: Health): DiscoveryRequest {
  return {
    typeUrl: healthTypeUrl,
    versionInfo: '',
    responseNonce: '',
    resourceNames: [],
    node: undefined,
    errorDetail: health.kind === 'healthy' ? undefined : { code: internal, message: health.reason },
  };
}

/** What a request reports; undefined when it asks for resources instead. */
export function reportedHealth({ typeUrl, errorDetail }: DiscoveryRequest): Health | undefined {
  if (typeUrl !== healthTypeUrl) return undefined;
  if (errorDetail === undefined) return { kind: 'healthy' };
  return { kind: 'unhealthy', reason: errorDetail.message || 'no reason given' };
}
