/** Decodes `envoy.config.route.v3.RouteAction.RequestMirrorPolicy`. */
import type { RouteAction_RequestMirrorPolicy as RequestMirrorPolicyJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { readRuntimeProbability } from './fraction-decoder.ts';
import type { RequestMirrorPolicy } from './route.ts';

export function readRequestMirrorPolicy(fields: Fields<RequestMirrorPolicyJson>): RequestMirrorPolicy {
  // Copies are never traced.
  fields.only('trace_sampled', false);
  return {
    clusterName: fields.name('cluster'),
    probability: readRuntimeProbability(fields.message('runtime_fraction'), 1),
    hasShadowHostSuffix: !fields.flag('disable_shadow_host_suffix_append'),
  };
}
