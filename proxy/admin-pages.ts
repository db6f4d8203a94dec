/** What the admin pages say, in Envoy's words. */
import { isIPv6 } from 'node:net';
import type { SocketAddress } from './api/address-decoder.ts';
import { redactSecrets } from './api/redaction.ts';
import type { ProxyServer } from './server.ts';
import type { Host } from './upstream/host.ts';
import type { AdsClient } from './xds/ads-client.ts';

export function describeServer(server: ProxyServer): object {
  const { node } = server.bootstrap;
  return {
    version: `heddle/${process.version}`,
    state: server.state === 'live' ? 'LIVE' : server.state === 'draining' ? 'DRAINING' : 'INITIALIZING',
    uptime_current_epoch: `${Math.floor(server.uptimeMs / 1000)}s`,
    node: { id: node.id, cluster: node.cluster, metadata: node.metadata },
  };
}

/** One line per fact, `cluster::host::fact::value`. */
export function describeClusters(server: ProxyServer): string {
  const lines: string[] = [];
  for (const cluster of server.clusters.list()) {
    const { name, lbPolicy } = cluster.config;
    lines.push(`${name}::lb_policy::${lbPolicy}`, `${name}::observability_name::${name}`);
    for (const host of cluster.hosts) {
      const prefix = `${name}::${host.address}`;
      const { weight, locality, priority } = host.endpoint;
      lines.push(
        `${prefix}::cx_active::${host.activeConnections}`,
        `${prefix}::cx_connect_fail::${host.connectFailuresTotal}`,
        `${prefix}::cx_total::${host.connectionsTotal}`,
        `${prefix}::rq_active::${host.activeRequests}`,
        `${prefix}::rq_error::${host.errorsTotal}`,
        `${prefix}::rq_success::${host.successesTotal}`,
        `${prefix}::rq_timeout::${host.timeoutsTotal}`,
        `${prefix}::rq_total::${host.requestsTotal}`,
        `${prefix}::health_flags::${healthFlagsOf(host)}`,
        `${prefix}::weight::${weight}`,
        `${prefix}::region::${locality.region}`,
        `${prefix}::zone::${locality.zone}`,
        `${prefix}::sub_zone::${locality.subZone}`,
        `${prefix}::canary::false`,
        `${prefix}::priority::${priority}`,
        `${prefix}::success_rate::${host.monitor?.successRatePercent ?? -1}`,
      );
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** As Envoy writes them: every reason why the host is out of rotation, or `healthy`. */
function healthFlagsOf(host: Host): string {
  const flags = [
    host.check?.isFailed === true ? '/failed_active_hc' : '',
    host.isEjected ? '/failed_outlier_check' : '',
    host.endpoint.isHealthy ? '' : '/failed_eds_health',
    host.isLeaving ? '/pending_dynamic_removal' : '',
  ];
  return flags.join('') || 'healthy';
}

export function describeListeners(server: ProxyServer): string {
  return server.listeners
    .list()
    .flatMap(({ config, addresses }) => addresses.map((each) => `${config.name}::${format(each)}\n`))
    .join('');
}

function format({ address, port }: SocketAddress): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Static configuration as decoded, dynamic resources as the control plane sent them, with version and status per type. */
export function dumpConfig(server: ProxyServer): unknown {
  const { node, staticListeners, staticClusters } = server.bootstrap;
  return redactSecrets({
    node: { id: node.id, cluster: node.cluster, metadata: node.metadata },
    static_resources: { listeners: staticListeners, clusters: staticClusters },
    dynamic_resources: dumpDynamic(server.ads),
  });
}

function dumpDynamic(ads: AdsClient | undefined): object {
  if (ads === undefined) return {};
  return Object.fromEntries(
    ads
      .describe()
      .map(({ name, typeUrl, version, status }) => [
        name,
        { type_url: typeUrl, version_info: version, status, resources: ads.dump(name) },
      ]),
  );
}
