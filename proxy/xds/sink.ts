/** Where accepted configuration goes: implemented by whoever owns clusters, listeners and routes. */
import type { Cluster, ClusterLoadAssignment } from '../api/cluster.ts';
import type { Listener } from '../api/listener.ts';
import type { RouteConfiguration } from '../api/route.ts';
import type { Secret } from '../api/tls.ts';
import type { FieldError } from '../common/decoded.ts';

/**
 * Every method applies all of its argument or, when it returns faults, none of it; faults are reported to the control
 * plane. Values are frozen. An update that changes nothing does not reach the sink.
 */
export interface XdsSink {
  /** All dynamic clusters there are; the static ones stay besides them. Clusters without endpoints are warming. */
  replaceClusters(clusters: readonly Cluster[]): FieldError[];
  /** Calls back when every cluster is ready for what was asked of it, which may be at once. */
  onceClustersAreWarm(callback: () => void): void;
  /**
   * All dynamic listeners there are. Resolves when they are bound; it must not wait for a route configuration, which is
   * only asked for afterwards.
   */
  replaceListeners(listeners: readonly Listener[]): Promise<FieldError[]>;
  /** For every EDS cluster, static or dynamic, whose `serviceName` is the assignment's `clusterName`. */
  updateAssignment(assignment: ClusterLoadAssignment): FieldError[];
  /** For every TLS context that names it. */
  updateSecret(secret: Secret): FieldError[];
  /** Nothing refers to secrets of other names any more. */
  retainSecrets(names: readonly string[]): void;
  /** For every listener whose `routeConfigName` is its name. */
  updateRouteConfiguration(routeConfiguration: RouteConfiguration): FieldError[];
}
