/** Decodes `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`. */
import { readAccessLog } from './access-log-decoder.ts';
import type { HashPolicy, TcpProxy as TcpProxyJson, TcpProxy_TunnelingConfig as TunnelingJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { TcpClusterWeight, TcpProxyConfig, Tunneling } from './listener.ts';

export function readTcpProxy(fields: Fields<TcpProxyJson>): TcpProxyConfig {
  return {
    statPrefix: fields.name('stat_prefix'),
    clusters: readClusters(fields),
    idleTimeoutMs: fields.durationMs('idle_timeout', 3_600_000),
    maxDownstreamConnectionDurationMs: fields.durationMs('max_downstream_connection_duration', 0),
    maxConnectAttempts: fields.number('max_connect_attempts', { defaultValue: 1, min: 1 }),
    hashesSourceIp: fields.list('hash_policy', readHashPolicy).some(Boolean),
    tunneling: readTunneling(fields.message('tunneling_config')),
    accessLogs: fields.list('access_log', readAccessLog),
  };
}

function readClusters(fields: Fields<TcpProxyJson>): TcpClusterWeight[] {
  const weighted = fields.message('weighted_clusters');
  if (weighted === undefined) return [{ name: fields.name('cluster'), weight: 1 }];
  if (fields.has('cluster')) fields.fail('cluster', 'stands beside weighted_clusters: only one of both can be set');
  fields.ignore('cluster');
  const clusters = weighted.list('clusters', (cluster) => ({
    name: cluster.name('name'),
    weight: cluster.number('weight', { defaultValue: 0, min: 1 }),
  }));
  if (clusters.length === 0) weighted.fail('clusters', 'must have at least one cluster');
  return clusters;
}

/** The address of the client is all that a connection has before its first byte. */
function readHashPolicy(fields: Fields<HashPolicy>): boolean {
  return fields.message('source_ip') !== undefined;
}

/** Visible ASCII, and of that nothing that Envoy would fill in (`%`): both texts stand in a request line. */
const plainText = /^[!-$&-~]+$/;

function readTunneling(fields: Fields<TunnelingJson> | undefined): Tunneling | undefined {
  if (fields === undefined) return undefined;
  const hostname = fields.name('hostname');
  const usesPost = fields.flag('use_post');
  const postPath = fields.text('post_path');
  if (hostname !== '' && !plainText.test(hostname)) {
    fields.fail('hostname', `must be host:port in visible ASCII without %, got ${JSON.stringify(hostname)}`);
  }
  if (postPath !== '' && !usesPost) fields.fail('post_path', 'must not be set without use_post');
  if (postPath !== '' && !(postPath.startsWith('/') && plainText.test(postPath))) {
    fields.fail('post_path', `must be a path in visible ASCII without %, got ${JSON.stringify(postPath)}`);
  }
  return { hostname, usesPost, postPath: postPath || '/' };
}
