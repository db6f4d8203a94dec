/** `--coverage`: which matches of which rules no request reached. */
import type { VirtualServiceSpec } from '../../../crds/virtual-service.ts';
import type { Explanation } from './explanation.ts';
import type { MeshView } from './mesh-view.ts';

export interface UncoveredMatch {
  /** `NAMESPACE/NAME` of the VirtualService that was written, root or delegate. */
  readonly virtualService: string;
  /** `http[1].match[0]`, or `http[1]` for a rule without matches. */
  readonly path: string;
  readonly name: string | undefined;
  readonly place: string | undefined;
}

/** In the order of the resources. */
export function findUncovered(view: MeshView, explanations: readonly Explanation[]): UncoveredMatch[] {
  const covered = new Set(explanations.flatMap(coveredBy));
  return view.resources.flatMap(({ kind, spec, metadata: { namespace, name } }) => {
    if (kind !== 'VirtualService') return [];
    const owner = `${namespace}/${name}`;
    return ((spec as VirtualServiceSpec).http ?? []).flatMap((rule, i): UncoveredMatch[] => {
      // It is covered where its delegate's rules are.
      if (rule.delegate !== undefined) return [];
      const paths = rule.match?.length ? rule.match.map((_, k) => `http[${i}].match[${k}]`) : [`http[${i}]`];
      return paths
        .filter((path) => !covered.has(`${owner} ${path}`) && !covered.has(`${owner} http[${i}]`))
        .map((path) => ({
          virtualService: owner,
          path,
          name: rule.name || undefined,
          place: view.locate({ kind: 'VirtualService', name: owner }, `spec.${path}`),
        }));
    });
  });
}

function coveredBy({ matches, rules }: Explanation): string[] {
  const taken = matches.find(({ verdict }) => verdict === 'taken');
  if (taken === undefined || rules === undefined) return [];
  const { rule, match, delegate, delegateRule, isForTestUsers } = taken;
  const path = `http[${delegate === undefined ? rule : delegateRule}]`;
  // Matches of delegates and of test users are merged with the rule's, so their indexes are not those that were written.
  const isMerged = delegate !== undefined || match === undefined || isForTestUsers;
  return [`${delegate ?? rules.name} ${isMerged ? path : `${path}.match[${match}]`}`];
}
