/** `envoy.config.core.v3.ConfigSource`: where a resource comes from. Heddle takes everything from one ADS stream. */
import type { ConfigSource } from './envoy.gen.ts';
import type { Fields } from './fields.ts';

/** Faults unless the source is `ads: {}`. The initial fetch timeout is Envoy's default, which may be written out. */
export function requireAds(fields: Fields<ConfigSource>): void {
  fields.required('ads');
  fields.choice('resource_api_version', ['V3', 'AUTO']);
  fields.only('initial_fetch_timeout', '15s');
}
