/** Which version of HTTP a cluster speaks with its hosts, and how: what its port and a DestinationRule say, as in Istio. */
import { takesAccessLogs } from '../../crds/access-log.ts';
import { isAuthorizationService } from '../../crds/authorization-provider.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { ConnectionPoolSettings } from '../../crds/traffic-policy.ts';
import type { Http2ProtocolOptions } from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { PolicyBlocks } from '../model/destination-rules.ts';
import { httpVersionOf, type HttpVersion, type Service, type ServicePort } from '../model/service.ts';
import { protoDurationOf } from './proto-duration.ts';

type HttpSettings = NonNullable<ConnectionPoolSettings['http']>;

export interface UpstreamHttp {
  readonly version: HttpVersion;
  readonly http2: Http2ProtocolOptions;
}

export interface UpstreamHttpContext {
  readonly client: Pick<Client, 'isGateway'>;
  readonly meshConfig: MeshConfig;
}

export function upstreamHttpOf(
  { hostname }: Pick<Service, 'hostname'>,
  port: ServicePort,
  { connectionPool, tunnel }: Pick<PolicyBlocks, 'connectionPool' | 'tunnel'>,
  context: UpstreamHttpContext,
): UpstreamHttp {
  const settings = connectionPool?.http ?? {};
  const http2 = buildHttp2Options(settings);
  const called = { hostname, port: port.number };
  // Whom sidecars call themselves they call by gRPC, whatever it was declared as.
  const isCalled = takesAccessLogs(context.meshConfig, called) || isAuthorizationService(context.meshConfig, called);
  if (isCalled) return { version: 'http2', http2 };
  const version = versionOf(port, settings, context);
  // A proxy that connections are tunnelled through is asked in HTTP/1.1, whatever its port or the mesh say.
  return { version: tunnel !== undefined && version === 'http2' ? 'http1' : version, http2 };
}

function versionOf(
  port: ServicePort,
  { useClientProtocol = false, h2UpgradePolicy = 'DEFAULT' }: HttpSettings,
  { client, meshConfig }: UpstreamHttpContext,
): HttpVersion {
  if (useClientProtocol) return 'downstream';
  if (h2UpgradePolicy === 'UPGRADE') return 'http2';
  const declared = httpVersionOf(port);
  // The mesh's upgrade is for who declared HTTP: a sidecar that does not know would pass HTTP/2 on to its application.
  const isUpgraded = h2UpgradePolicy === 'DEFAULT' && meshConfig.h2UpgradePolicy === 'UPGRADE';
  if (isUpgraded && declared === 'http1' && port.protocol === 'HTTP') return 'http2';
  // Clients of a gateway choose HTTP/2 because it is offered to them: that says nothing about the application.
  return declared === 'downstream' && client.isGateway === true ? 'http1' : declared;
}

/** Zero is "not set" (semantics D9). */
function buildHttp2Options({ maxConcurrentStreams = 0, http2KeepAlive }: HttpSettings): Http2ProtocolOptions {
  return {
    ...(maxConcurrentStreams === 0 ? {} : { max_concurrent_streams: maxConcurrentStreams }),
    ...(http2KeepAlive === undefined
      ? {}
      : {
          connection_keepalive: {
            interval: protoDurationOf(http2KeepAlive.interval),
            timeout: protoDurationOf(http2KeepAlive.timeout),
          },
        }),
  };
}
