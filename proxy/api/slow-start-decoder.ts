/** Decodes `SlowStartConfig`, which stands in a cluster and, in the same form, in each policy that is an extension. */
import type { SlowStartConfig as SlowStartJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { SlowStart } from './load-balancing.ts';

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
