/**
 * Who calls whom, how often, with what success and how fast, over the last minutes: made of the growth of the totals,
 * which are looked at every few seconds. A request counts once: as its client's side reports it, or as its server's does
 * where the client has no sidecar.
 */
import { requestsTotal, standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';
import { Edge, type EdgeIdentity, edgeWidth, quantile, requestCounts } from './graph-edge.ts';
import type { Reported } from './instance.ts';
import type { PastListener } from './ledger.ts';
import type { Series, Totals } from './totals.ts';

export interface ServiceGraphLimits {
  /** Pairs of workloads and services; the graph says when there were more. */
  readonly maxEdges: number;
}

/** How often the totals are looked at. */
export const slotMs = 5_000;
export const maxWindowSeconds = 300;
const slotCount = (maxWindowSeconds * 1_000) / slotMs;

const durations = 'istio_request_duration_milliseconds';
const families: readonly string[] = [
  requestsTotal.name,
  durations,
  'istio_tcp_connections_opened_total',
  'istio_tcp_sent_bytes_total',
];

/** What is known of a series: how much of what it says has been looked at, or is no traffic, and where it counts. */
interface Seen {
  readonly values: Float64Array;
  /** Undefined until it grows. */
  edge: Edge | undefined;
}

export class ServiceGraph implements PastListener {
  readonly #totals: Totals;
  readonly #limits: ServiceGraphLimits;
  readonly #edges = new Map<string, Edge>();
  readonly #seen = new WeakMap<Series, Seen>();
  #slot = 0;
  #isTruncated = false;
  #firstLookMs = 0;

  constructor(totals: Totals, limits: ServiceGraphLimits) {
    this.#totals = totals;
    this.#limits = limits;
  }

  /** What a sidecar had counted before this process met it is no traffic of the window. */
  caughtUp({ series, epoch, offset }: Reported, values: readonly number[]): void {
    if (!families.includes(series.family.name)) return;
    const { values: seen } = this.#seenOf(series);
    for (let i = 0; i < seen.length; i += 1) {
      seen[i] = (seen[i] ?? 0) + (values[i] ?? 0) - (epoch.values[offset + i] ?? 0);
    }
  }

  /** Takes what was counted since the last look. */
  look(nowMs: number): void {
    if (this.#firstLookMs === 0) this.#firstLookMs = nowMs;
    this.#slot = (this.#slot + 1) % slotCount;
    this.#isTruncated = false;
    for (const [key, edge] of this.#edges) {
      edge.clear(this.#slot);
      if (edge.isSilent) this.#edges.delete(key);
    }
    for (const name of families) {
      for (const series of this.#totals.family(name)?.series.values() ?? []) this.#lookAt(series);
    }
  }

  show(windowSeconds: number, nowMs: number): object {
    const slots = Math.min(slotCount, Math.ceil((windowSeconds * 1_000) / slotMs));
    const seconds = Math.min(slots * (slotMs / 1_000), Math.max(slotMs, nowMs - this.#firstLookMs) / 1_000);
    const nodes = new Map<string, object>();
    const edges = [...this.#edges.values()].flatMap((edge) => {
      const counts = edge.sum(this.#slot, slots);
      if (counts.every((count) => count === 0)) return [];
      for (const node of [edge.identity.source, edge.identity.destination]) nodes.set(node.id, node);
      return [showEdge(edge.identity, counts, seconds)];
    });
    return {
      windowSeconds: slots * (slotMs / 1_000),
      isTruncated: this.#isTruncated,
      nodes: [...nodes.values()],
      edges,
    };
  }

  #seenOf(series: Series): Seen {
    let seen = this.#seen.get(series);
    if (seen === undefined) {
      seen = { values: new Float64Array(series.values.length), edge: undefined };
      this.#seen.set(series, seen);
    }
    return seen;
  }

  #lookAt(series: Series): void {
    const seen = this.#seenOf(series);
    // The value of a counter, or a histogram's count: there are ten thousands of series to look at.
    const countAt = Math.max(0, seen.values.length - 2);
    if (seen.values[countAt] === series.values[countAt]) return;
    const offset = offsetOf(series);
    seen.edge = this.#edgeOf(series, seen.edge);
    if (offset !== undefined) seen.edge?.add(this.#slot, offset, series.values, seen.values);
    seen.values.set(series.values);
  }

  /** Undefined for what is part of no edge, and where there is no room for one more. */
  #edgeOf(series: Series, last: Edge | undefined): Edge | undefined {
    if (last !== undefined && this.#edges.get(last.identity.key) === last) return last;
    const identity = last?.identity ?? identityOf(series.labelValues);
    if (identity === undefined) return undefined;
    const known = this.#edges.get(identity.key);
    if (known !== undefined) return known;
    if (this.#edges.size >= this.#limits.maxEdges) {
      this.#isTruncated = true;
      return undefined;
    }
    const edge = new Edge(identity, slotCount);
    this.#edges.set(identity.key, edge);
    return edge;
  }
}

/** Where the values of a series stand in an edge's counts. */
function offsetOf({ family, labelValues }: Series): number | undefined {
  switch (family.name) {
    case durations:
      return requestCounts.buckets;
    case requestsTotal.name:
      return isFailure(labelValues) ? requestCounts.failures : requestCounts.successes;
    case 'istio_tcp_connections_opened_total':
      return requestCounts.connections;
    case 'istio_tcp_sent_bytes_total':
      return requestCounts.sentBytes;
    default:
      return undefined;
  }
}

/** What the service or the way to it is to blame for; a client that left is not. */
function isFailure(labels: readonly Label[]): boolean {
  const code = Number(valueOf(labels, 'response_code'));
  return code >= 500 || (code === 0 && valueOf(labels, 'response_flags') !== 'DC');
}

function valueOf(labels: readonly Label[], name: string): string {
  return labels.find((label) => label.name === name)?.value ?? '';
}

function identityOf(labels: readonly Label[]): EdgeIdentity | undefined {
  const of = (name: string): string => valueOf(labels, name);
  const isSource = of('reporter') === 'source';
  if (!isSource && of('source_workload') !== 'unknown') return undefined;
  const service = of('destination_service');
  const protocol = of('request_protocol');
  const source = workloadNode(of, 'source');
  const isReached = of('destination_workload') !== 'unknown';
  // What reached no workload failed on the way to a service.
  const name = service === 'unknown' ? of('destination_service_name') : service;
  const destination = isReached ? workloadNode(of, 'destination') : { id: `service/${name}`, kind: 'service', name };
  return { key: `${source.id}\n${destination.id}\n${service}\n${protocol}`, source, destination, service, protocol };
}

function workloadNode(of: (name: string) => string, side: 'source' | 'destination') {
  const [name, namespace] = [of(`${side}_workload`), of(`${side}_workload_namespace`)];
  if (name === 'unknown') return { id: 'unknown', kind: 'unknown', name };
  const id = `workload/${namespace}/${name}`;
  return { id, kind: 'workload', name, namespace, app: of(`${side}_app`), version: of(`${side}_version`) };
}

function showEdge(
  { source, destination, service, protocol }: EdgeIdentity,
  counts: Float64Array,
  seconds: number,
): object {
  const ends = { source: source.id, destination: destination.id, service, protocol };
  const at = (index: number): number => counts[index] ?? 0;
  if (protocol === 'tcp') {
    const connectionsPerSecond = at(requestCounts.connections) / seconds;
    return { ...ends, connectionsPerSecond, sentBytesPerSecond: at(requestCounts.sentBytes) / seconds };
  }
  const requests = at(requestCounts.successes) + at(requestCounts.failures);
  const buckets = counts.subarray(requestCounts.buckets, edgeWidth);
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => quantile(share, buckets, standardUpperBounds));
  return {
    ...ends,
    requestsPerSecond: requests / seconds,
    errorShare: requests === 0 ? 0 : at(requestCounts.failures) / requests,
    durationMs: { p50, p90, p99 },
  };
}
