/** VirtualServices that include others: a rule with `delegate` stands for the rules of the one it names (semantics S31). */
import { resolveShortName } from '../../crds/host.ts';
import type { Destination, HTTPRoute } from '../../crds/virtual-service.ts';
import { mergeMatches } from './match-merge.ts';
import { rememberOrigin, type RuleOrigin } from './rule-origin.ts';
import { isVisibleTo } from './visibility.ts';
import type { VirtualService } from './virtual-services.ts';

/** Those with hosts, their delegates' rules put in. A rule whose delegate is not there, or not visible, is left out. */
export function includeDelegates(resources: readonly VirtualService[]): VirtualService[] {
  const delegates = new Map(
    resources.filter(({ spec }) => !spec.hosts?.length).map((resource) => [keyOf(resource.metadata), resource]),
  );
  return resources
    .filter(({ spec }) => spec.hosts?.length)
    .map((root) => {
      if (!root.spec.http?.some(({ delegate }) => delegate !== undefined)) return root;
      const http = root.spec.http.flatMap((rule, rootIndex) =>
        include(rule, root, delegates).map(({ rule: included, ...origin }) => {
          rememberOrigin(included, { rootIndex, ...origin });
          return included;
        }),
      );
      return { ...root, spec: { ...root.spec, http } };
    });
}

function keyOf({ name, namespace }: { readonly name: string; readonly namespace: string }): string {
  return `${namespace}/${name}`;
}

type Included = { readonly rule: HTTPRoute } & Omit<RuleOrigin, 'rootIndex' | 'release'>;

function include(rule: HTTPRoute, root: VirtualService, delegates: ReadonlyMap<string, VirtualService>): Included[] {
  if (rule.delegate === undefined) return [{ rule, delegate: undefined, delegateIndex: 0 }];
  const { namespace } = root.metadata;
  const name = { name: rule.delegate.name ?? '', namespace: rule.delegate.namespace || namespace };
  const delegate = delegates.get(keyOf(name));
  if (delegate === undefined || !isVisibleTo(delegate, namespace)) return [];
  return (delegate.spec.http ?? []).flatMap((part, delegateIndex) => {
    const merged = merge(rule, resolveHosts(part, name.namespace));
    return merged === undefined ? [] : [{ rule: merged, delegate: keyOf(name), delegateIndex }];
  });
}

/** The delegate's own word counts; what it does not say is inherited. Undefined when their conditions exclude each other. */
function merge(root: HTTPRoute, part: HTTPRoute): HTTPRoute | undefined {
  const match = mergeMatches(root.match ?? [], part.match ?? []);
  if (match === undefined) return undefined;
  const { delegate: _delegate, name: rootName, ...inherited } = root;
  const name = [rootName, part.name].filter(Boolean).join('-');
  // One way of saying where a mirror is replaces the others.
  const { mirror, mirrors, mirrorPercent, mirrorPercentage, ...rest } = inherited;
  const hasMirror = part.mirror !== undefined || Boolean(part.mirrors?.length);
  const mirroring = hasMirror ? {} : definedOnly({ mirror, mirrors, mirrorPercent, mirrorPercentage });
  return { ...withoutRouting(rest, part), ...mirroring, ...part, ...(name === '' ? {} : { name }), match };
}

/** A redirect or a direct response reaches no destination: nothing about one is inherited. */
function withoutRouting(inherited: HTTPRoute, part: HTTPRoute): HTTPRoute {
  if (part.redirect === undefined && part.directResponse === undefined) return inherited;
  const { headers, corsPolicy } = inherited;
  return definedOnly({ headers, corsPolicy });
}

function definedOnly(rule: { [K in keyof HTTPRoute]: HTTPRoute[K] | undefined }): HTTPRoute {
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
}

/** Short names are those of the namespace where they are written (S17), which is not the root's. */
function resolveHosts(rule: HTTPRoute, namespace: string): HTTPRoute {
  const resolve = (destination: Destination): Destination => ({
    ...destination,
    host: resolveShortName(destination.host, namespace),
  });
  const resolveIn = <T extends { readonly destination: Destination }>(list: readonly T[]): T[] =>
    list.map((item) => ({ ...item, destination: resolve(item.destination) }));
  return {
    ...rule,
    ...(rule.route === undefined ? {} : { route: resolveIn(rule.route) }),
    ...(rule.mirror === undefined ? {} : { mirror: resolve(rule.mirror) }),
    ...(rule.mirrors === undefined ? {} : { mirrors: resolveIn(rule.mirrors) }),
  };
}
