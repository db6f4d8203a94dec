/** Where a rule sends copies of its requests (semantics S26). */
import type { HTTPRoute } from '../../crds/virtual-service.ts';
import type { RouteAction, RouteAction_RequestMirrorPolicy } from '../../proxy/api/envoy.gen.ts';
import { clusterNameOf, type RouteContext } from './route-context.ts';
import { fractionOf } from './fraction.ts';

export function buildMirrorPolicies(
  rule: HTTPRoute,
  context: RouteContext,
): Pick<RouteAction, 'request_mirror_policies'> {
  const policies = mirrorsOf(rule)
    .filter(({ percent }) => percent > 0)
    .map(({ destination, percent }): RouteAction_RequestMirrorPolicy => ({
      cluster: clusterNameOf(destination, context),
      runtime_fraction: { default_value: fractionOf(percent) },
      trace_sampled: false,
    }));
  return policies.length === 0 ? {} : { request_mirror_policies: policies };
}

interface Mirror {
  readonly destination: NonNullable<HTTPRoute['mirror']>;
  readonly percent: number;
}

/** Without a percentage everything is copied; an explicit 0 is none. `mirrorPercent` is the older field. */
function mirrorsOf({ mirror, mirrors = [], mirrorPercentage, mirrorPercent }: HTTPRoute): Mirror[] {
  if (mirror === undefined) {
    return mirrors.map(({ destination, percentage }) => ({ destination, percent: percentOf(percentage) }));
  }
  return [{ destination: mirror, percent: percentOf(mirrorPercentage ?? { value: mirrorPercent ?? 100 }) }];
}

/** A percentage that is there without a value is 0, as protobuf has it. */
function percentOf(percentage: { readonly value?: number } | undefined): number {
  return percentage === undefined ? 100 : (percentage.value ?? 0);
}
