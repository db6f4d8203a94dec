/**
 * Pure: which part of the requests stays in the proxy's own locality, and where the rest goes, so that every host gets
 * about as many requests as the others. Source: Envoy docs `load_balancing/zone_aware`, whose whole numbers these are.
 */

/** Hosts in one locality. */
export interface ZoneCount {
  /** Of the cluster that is balanced; healthy ones. */
  readonly upstream: number;
  /** Of the proxy's own service; healthy ones. */
  readonly local: number;
}

export type ZoneRoutes =
  /** Everything stays. */
  | { readonly kind: 'direct' }
  | {
      readonly kind: 'residual';
      /** Of 10,000 requests, those that stay. */
      readonly localShare: number;
      /** By locality, what it can take of the others; all 0 when rounding has left nothing. */
      readonly capacities: readonly number[];
    };

const whole = 10_000;

/** `own`: where among `zones` the proxy is; -1 where the cluster has no host there. */
export function planZoneRoutes(zones: readonly ZoneCount[], localTotal: number, own: number): ZoneRoutes {
  const upstreamTotal = zones.reduce((sum, { upstream }) => sum + upstream, 0);
  const shares = zones.map(({ upstream, local }) =>
    // Who has no healthy host takes nothing, whoever calls from there.
    upstream === 0
      ? { upstream: 0, local: 0 }
      : { upstream: part(upstream, upstreamTotal), local: part(local, localTotal) },
  );
  const { upstream = 0, local = 0 } = shares[own] ?? {};
  if (upstream > 0 && upstream >= local) return { kind: 'direct' };
  const localShare = local > 0 ? Math.floor((upstream * whole) / local) : 0;
  const capacities = shares.map((share, i) => (i === own ? 0 : Math.max(0, share.upstream - share.local)));
  return { kind: 'residual', localShare, capacities };
}

function part(count: number, total: number): number {
  return total === 0 ? 0 : Math.floor((whole * count) / total);
}
