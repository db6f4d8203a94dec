/**
 * Health reports as Istio's agent sends them: a DiscoveryRequest of a type that has no resources. Without `error_detail`
 * the application is ready. Source: istio/istio `pkg/istio-agent/xds_proxy.go`. A proxy that drains says so in the same
 * way, which any control plane of Istio's takes for not ready; Heddle's answers it when nobody sends to the proxy any
 * more. Other reports get no response.
 */
import { type DiscoveryRequest, encodeDiscoveryResponse, typeUrlOf } from './discovery.ts';

/** Of an application, as its own sidecar sees it. `draining`: the sidecar is about to end, and its application with it. */
export type Health =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'unhealthy'; readonly reason: string }
  | { readonly kind: 'draining' };

const healthTypeUrl = typeUrlOf('istio.v1.HealthInformation');

/** google.rpc.Code INTERNAL, which Istio's agent sends whatever is wrong. */
const internal = 13;
/** google.rpc.Code UNAVAILABLE: what tells a drain from a fault. */
const unavailable = 14;

/** The request that tells a control plane. */
export function healthRequest(health: Health): DiscoveryRequest {
  return {
    typeUrl: healthTypeUrl,
    versionInfo: '',
    responseNonce: '',
    resourceNames: [],
    node: undefined,
    errorDetail: errorDetailOf(health),
  };
}

function errorDetailOf(health: Health): DiscoveryRequest['errorDetail'] {
  if (health.kind === 'healthy') return undefined;
  return health.kind === 'draining'
    ? { code: unavailable, message: 'draining' }
    : { code: internal, message: health.reason };
}

/** What a request reports; undefined when it asks for resources instead. */
export function reportedHealth({ typeUrl, errorDetail }: DiscoveryRequest): Health | undefined {
  if (typeUrl !== healthTypeUrl) return undefined;
  if (errorDetail === undefined) return { kind: 'healthy' };
  if (errorDetail.code === unavailable) return { kind: 'draining' };
  return { kind: 'unhealthy', reason: errorDetail.message || 'no reason given' };
}

/** The answer to a drain: everybody else has let go of the endpoint. */
export function encodeWithdrawal(nonce: string): Uint8Array {
  return encodeDiscoveryResponse({ typeUrl: healthTypeUrl, versionInfo: '', nonce }, []);
}

export function isWithdrawal({ typeUrl }: { readonly typeUrl: string }): boolean {
  return typeUrl === healthTypeUrl;
}
