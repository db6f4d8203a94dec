/** Decodes what a cluster says about its connections: Envoy's HttpProtocolOptions and UpstreamConnectionOptions. */
import type { ConnectionLifetime, TcpKeepalive } from './circuit-breakers.ts';
import type {
  envoy_config_core_v3_HttpProtocolOptions as CommonHttpProtocolOptionsJson,
  UpstreamConnectionOptions as UpstreamConnectionOptionsJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';

/** Envoy's default: an hour. */
const defaultIdleTimeoutMs = 3_600_000;

/** `maxRequestsPerConnection`: from the older field of the cluster itself, 0 when it is not set. */
export function readConnectionLifetime(
  common: Fields<CommonHttpProtocolOptionsJson> | undefined,
  maxRequestsPerConnection: number,
): ConnectionLifetime {
  if (common === undefined) {
    return { idleTimeoutMs: defaultIdleTimeoutMs, maxConnectionDurationMs: 0, maxRequestsPerConnection };
  }
  return {
    idleTimeoutMs: common.durationMs('idle_timeout', defaultIdleTimeoutMs),
    maxConnectionDurationMs: common.durationMs('max_connection_duration', 0),
    maxRequestsPerConnection: common.number('max_requests_per_connection', { defaultValue: maxRequestsPerConnection }),
  };
}

/** The largest values that Linux takes (`net/ipv4/tcp.c`). */
const maxSeconds = 32_767;
const maxProbes = 127;

export function readTcpKeepalive(options: Fields<UpstreamConnectionOptionsJson> | undefined): TcpKeepalive | undefined {
  const keepalive = options?.message('tcp_keepalive');
  return (
    keepalive && {
      timeMs: keepalive.number('keepalive_time', { defaultValue: 0, max: maxSeconds }) * 1000,
      intervalMs: keepalive.number('keepalive_interval', { defaultValue: 0, max: maxSeconds }) * 1000,
      probes: keepalive.number('keepalive_probes', { defaultValue: 0, max: maxProbes }),
    }
  );
}
