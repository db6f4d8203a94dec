/** One edge of the service graph: what was counted on it in each of the last slots of time. */
import { standardUpperBounds } from '../../proxy/api/standard-metrics.ts';

export interface GraphNode {
  readonly id: string;
  /** `workload`, `service` for what no workload answered, or `unknown`. */
  readonly kind: string;
  readonly name: string;
}

export interface EdgeIdentity {
  readonly key: string;
  readonly source: GraphNode;
  readonly destination: GraphNode;
  readonly service: string;
  /** `http` or `tcp`. */
  readonly protocol: string;
}

/** Places of an edge's counts; the buckets are cumulative, and their count and sum follow. */
export const requestCounts = { successes: 0, failures: 1, connections: 2, sentBytes: 3, buckets: 4 } as const;
export const edgeWidth: number = requestCounts.buckets + standardUpperBounds.length + 2;

export class Edge {
  readonly identity: EdgeIdentity;
  /** Undefined where nothing was counted. */
  readonly #slots: (Float64Array | undefined)[];

  constructor(identity: EdgeIdentity, slotCount: number) {
    this.identity = identity;
    this.#slots = Array.from({ length: slotCount }, () => undefined);
  }

  get isSilent(): boolean {
    return this.#slots.every((slot) => slot === undefined);
  }

  clear(slot: number): void {
    this.#slots[slot] = undefined;
  }

  /** Adds what `values` are above `before`. */
  // oxlint-disable-next-line max-params -- for each series that grew
  add(slot: number, offset: number, values: Float64Array, before: Float64Array): void {
    const counts = (this.#slots[slot] ??= new Float64Array(edgeWidth));
    for (let i = 0; i < values.length; i += 1) {
      counts[offset + i] = (counts[offset + i] ?? 0) + Math.max(0, (values[i] ?? 0) - (before[i] ?? 0));
    }
  }

  /** Over the `count` slots up to `last`. */
  sum(last: number, count: number): Float64Array {
    const total = new Float64Array(edgeWidth);
    for (let back = 0; back < count; back += 1) {
      const slot = this.#slots[(last - back + this.#slots.length) % this.#slots.length];
      slot?.forEach((value, i) => {
        total[i] = (total[i] ?? 0) + value;
      });
    }
    return total;
  }
}

/**
 * As Prometheus' histogram_quantile: values are spread evenly over their bucket. Null when there are none. `buckets` are
 * cumulative, with the count behind them.
 */
export function quantile(share: number, buckets: Float64Array, upperBounds: readonly number[]): number | null {
  const count = buckets[upperBounds.length] ?? 0;
  if (count === 0) return null;
  const rank = share * count;
  const bucket = buckets.findIndex((cumulative) => cumulative >= rank);
  // Beyond the highest bound nothing more is known.
  if (bucket >= upperBounds.length) return upperBounds.at(-1) ?? null;
  const [lower, upper] = [upperBounds[bucket - 1] ?? 0, upperBounds[bucket] ?? 0];
  const below = buckets[bucket - 1] ?? 0;
  const inside = (buckets[bucket] ?? 0) - below;
  return inside === 0 ? upper : lower + ((upper - lower) * (rank - below)) / inside;
}
