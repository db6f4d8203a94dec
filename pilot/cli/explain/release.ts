/** Which release decides where a request goes. */
import { type CanarySpec, type CanaryStatus, routingOf } from '../../../crds/canary.ts';
import type { ConsideredMatch, ExplainedRelease } from './explanation.ts';
import type { MeshView } from './mesh-view.ts';

/** Of the rule that was taken. */
export function explainRelease(matches: readonly ConsideredMatch[], view: MeshView): ExplainedRelease | undefined {
  const taken = matches.find(({ verdict }) => verdict === 'taken');
  const resource = view.resources.find(
    ({ kind, metadata: { namespace, name } }) => kind === 'Canary' && `${namespace}/${name}` === taken?.canary,
  );
  if (taken?.canary === undefined || resource === undefined) return undefined;
  const spec = resource.spec as CanarySpec;
  const status = resource.status as CanaryStatus | undefined;
  const { weight, mirrorPercent } = routingOf(spec, status);
  const { primary, canary: subset } = spec.subsets;
  const share = taken.isForTestUsers
    ? `test users all go to subset ${subset}`
    : `${weight} % of the requests go to subset ${subset}, ${100 - weight} % to ${primary}`;
  const copies = mirrorPercent > 0 && !taken.isForTestUsers ? `, copies of ${mirrorPercent} % to ${subset}` : '';
  const phase = status?.phase ?? 'not begun';
  return {
    canary: taken.canary,
    place: view.locate({ kind: 'Canary', name: taken.canary }, ''),
    phase,
    weight: taken.isForTestUsers ? 100 : weight,
    subset,
    why: `${share}${copies} (${phase})`,
  };
}
