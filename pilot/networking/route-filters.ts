/** What a rule wants from the HTTP filters in front of the router, as Envoy configures filters by route. */
import type { HTTPRoute } from '../../crds/virtual-service.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Route } from '../../proxy/api/envoy.gen.ts';
import { corsFilterName, faultFilterName } from './http-filters.ts';
import { buildCorsPolicy } from './route-cors.ts';
import { buildFault } from './route-fault.ts';

const corsType = typeUrlOf('envoy.extensions.filters.http.cors.v3.CorsPolicy');
const faultType = typeUrlOf('envoy.extensions.filters.http.fault.v3.HTTPFault');

/** Nothing at all for a rule that wants nothing. */
export function buildRouteFilters({ fault, corsPolicy }: HTTPRoute): Pick<Route, 'typed_per_filter_config'> {
  const configs: NonNullable<Route['typed_per_filter_config']> = {};
  if (corsPolicy !== undefined) configs[corsFilterName] = { '@type': corsType, ...buildCorsPolicy(corsPolicy) };
  if (fault !== undefined) configs[faultFilterName] = { '@type': faultType, ...buildFault(fault) };
  return Object.keys(configs).length === 0 ? {} : { typed_per_filter_config: configs };
}
