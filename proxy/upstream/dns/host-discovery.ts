/** How a cluster that goes by names finds hosts: what the cluster, and the filter in front of it, know of it. */
import type { ClusterLoadAssignment } from '../../api/cluster.ts';
import type { MeshError } from '../../common/errors.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { Picker } from '../picker.ts';
import type { Destination } from './destination.ts';
import type { Dns } from './dns.ts';
import type { DnsCache } from './dns-cache.ts';
import type { DnsName } from './dns-name.ts';

export interface HostDiscovery {
  /** Where destinations of requests are looked up; undefined when the names stand in the configuration. */
  readonly cache: DnsCache | undefined;
  /** Undefined: the cluster's own picker chooses among all its hosts. */
  readonly picker: Picker | undefined;
  /** Begins to look names up; resolves when each was looked up once, whatever came of it. */
  start(): Promise<void>;
  /**
   * Whether a request can go on now (undefined), has to wait for a lookup, or fails. `destination` is given when there
   * is a cache.
   */
  prepare(destination: Destination | undefined): DnsName | MeshError | undefined;
  /** Called once a second. */
  sweep?(nowMs: number): void;
  close(): void;
}

/** The cluster, as its discovery uses it. */
export interface DiscoveringCluster {
  readonly name: string;
  readonly dns: Dns;
  readonly stats: ClusterStats;
  readonly hosts: () => readonly Host[];
  updateAssignment(assignment: ClusterLoadAssignment): void;
}
