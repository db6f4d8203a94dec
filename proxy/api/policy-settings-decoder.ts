/** Decodes the settings of single policies, which stand in a cluster and, in the same form, in policies that are extensions. */
import type {
  LocalityLbConfig_ZoneAwareLbConfig as ZoneAwareJson,
  SlowStartConfig as SlowStartJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { defaultZoneAware, type LoadBalancing, type SlowStart, type ZoneAware } from './load-balancing.ts';

/** Envoy's limits of a ring and of a Maglev table. */
const ringSizeLimit = 8_388_608;
const tableSizeLimit = 5_000_011;

type Ring = Pick<LoadBalancing, 'minimumRingSize' | 'maximumRingSize'>;

/** Envoy's. */
export const defaultRing: Ring = { minimumRingSize: 1_024, maximumRingSize: ringSizeLimit };
export const defaultTableSize = 65_537;

export function readRing(fields: Fields<{ minimum_ring_size?: number; maximum_ring_size?: number }>): Ring {
  const limits = { min: 1, max: ringSizeLimit };
  const minimumRingSize = fields.number('minimum_ring_size', { defaultValue: defaultRing.minimumRingSize, ...limits });
  const maximumRingSize = fields.number('maximum_ring_size', { defaultValue: defaultRing.maximumRingSize, ...limits });
  if (maximumRingSize < minimumRingSize) {
    fields.fail('maximum_ring_size', `must be at least minimum_ring_size, ${minimumRingSize}, got ${maximumRingSize}`);
  }
  return { minimumRingSize, maximumRingSize };
}

export function readTableSize(fields: Fields<{ table_size?: number }>): number {
  const size = fields.number('table_size', { defaultValue: defaultTableSize, min: 2, max: tableSizeLimit });
  if (!isPrime(size)) fields.fail('table_size', `must be a prime, got ${size}`);
  return size;
}

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor += 1) if (value % factor === 0) return false;
  return value > 1;
}

export function readSlowStartConfig(fields: Fields<SlowStartJson>): SlowStart | undefined {
  const windowMs = fields.durationMs('slow_start_window', 0);
  const aggression = fields.message('aggression');
  // Names the key of a runtime that could override the value; Heddle has no runtime.
  aggression?.ignore('runtime_key');
  const steepness = aggression?.number('default_value', { defaultValue: 0 }) ?? 1;
  if (steepness <= 0) aggression?.fail('default_value', `must be more than 0, got ${steepness}`);
  const minimum = fields.message('min_weight_percent')?.number('value', { defaultValue: 0, max: 100 }) ?? 10;
  // A window of nothing switches it off, as in Envoy.
  return windowMs === 0 ? undefined : { windowMs, aggression: steepness, minWeightPercent: minimum };
}

/** Envoy rounds percents here. */
export function readZoneAware(fields: Fields<ZoneAwareJson> | undefined): ZoneAware {
  if (fields === undefined) return defaultZoneAware;
  const { routingEnabledPercent, minClusterSize } = defaultZoneAware;
  const percent = fields.message('routing_enabled')?.number('value', { defaultValue: 0, max: 100 });
  return {
    routingEnabledPercent: percent === undefined ? routingEnabledPercent : Math.round(percent),
    minClusterSize: fields.number('min_cluster_size', { defaultValue: minClusterSize }),
    failsTrafficOnPanic: fields.flag('fail_traffic_on_panic'),
  };
}
