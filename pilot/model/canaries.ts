/**
 * Releases over the users' rules: the share of a Canary is laid over every rule that leads to its host. What users wrote
 * stays as it is in the store, so that whoever applies it again changes nothing.
 */
import { type CanarySpec, type CanaryStatus, type CanaryRouting, hostOfCanary, routingOf } from '../../crds/canary.ts';
import type { DestinationRuleSpec } from '../../crds/destination-rule.ts';
import { meshGateway, resolveGatewayName } from '../../crds/gateway-name.ts';
import { isHostCoveredBy, resolveShortName } from '../../crds/host.ts';
import type { Resource } from '../../crds/resource.ts';
import { stickyAnnotation } from '../../crds/sticky.ts';
import type { HTTPRoute, HTTPRouteDestination } from '../../crds/virtual-service.ts';
import { mergeMatches } from './match-merge.ts';
import { copyOrigin, rememberOrigin } from './rule-origin.ts';
import type { VirtualService } from './virtual-services.ts';

export type Canary = Omit<Resource<CanarySpec>, 'status'> & { readonly status?: CanaryStatus };

interface Release {
  readonly canary: Canary;
  /** Full, in lower case. */
  readonly hostname: string;
  readonly routing: CanaryRouting;
}

/** `gateway`: whose rules they are, `NAMESPACE/NAME`, or `mesh`. */
export type Overlay = (virtualServices: readonly VirtualService[], gateway: string) => readonly VirtualService[];

/** Lays every release whose subsets exist over rules that have their delegates in them; oldest first, as they come. */
export function overlayOf(canaries: readonly Canary[], destinationRules: readonly Resource[]): Overlay {
  const all = canaries.flatMap((canary) => releaseOf(canary, destinationRules));
  return (virtualServices, gateway) => {
    const releases = all.filter(({ canary }) => isFor(gateway, canary));
    if (releases.length === 0) return virtualServices;
    const unruled = releases.filter(({ hostname }) => !isRuled(hostname, virtualServices));
    const missing = gateway === meshGateway ? unruled.map(virtualServiceFor) : [];
    return [...virtualServices, ...missing].map((resource) => releases.reduce(overlay, resource));
  };
}

/** The same text for statuses that route the same. */
export function routingKey({ spec, status }: Canary): string {
  return JSON.stringify(routingOf(spec, status));
}

/** Rules that were made for a release, since nobody wrote any: they have its name. */
export function isMadeForRelease({ kind }: VirtualService): boolean {
  return kind === 'Canary';
}

function isFor(gateway: string, { spec: { gateways }, metadata: { namespace } }: Canary): boolean {
  return gateways === undefined || gateways.some((name) => resolveGatewayName(name, namespace) === gateway);
}

/** None while what it needs is not defined: requests go where they went without it. */
function releaseOf(canary: Canary, destinationRules: readonly Resource[]): Release[] {
  const { spec, status, metadata } = canary;
  const hostname = fullName(hostOfCanary(spec), metadata.namespace);
  const routing = routingOf(spec, status);
  const defined = subsetsOf(hostname, destinationRules);
  const hasCanary = defined.has(spec.subsets.canary);
  if (routing.weight < 100 && !defined.has(spec.subsets.primary)) return [];
  if (routing.weight > 0 && !hasCanary) return [];
  return [{ canary, hostname, routing: hasCanary ? routing : { weight: 0, toMatched: false, mirrorPercent: 0 } }];
}

/** Of the host's own DestinationRules, else of those for a wildcard, as sidecars look for them. */
function subsetsOf(hostname: string, rules: readonly Resource[]): ReadonlySet<string> {
  const covering = rules.map(({ spec, metadata }) => {
    const { host, subsets = [] } = spec as DestinationRuleSpec;
    return { host: fullName(host, metadata.namespace), names: subsets.map(({ name }) => name) };
  });
  const own = covering.filter(({ host }) => host === hostname);
  const found = own.length > 0 ? own : covering.filter(({ host }) => isHostCoveredBy(hostname, host));
  return new Set(found.flatMap(({ names }) => names));
}

/** Whether all clients of the mesh follow what somebody wrote for the host. */
function isRuled(hostname: string, virtualServices: readonly VirtualService[]): boolean {
  return virtualServices.some(({ spec: { hosts = [], gateways = [], exportTo = [] }, metadata }) => {
    const isForMesh = gateways.length === 0 || gateways.includes(meshGateway);
    const isForAll = exportTo.length === 0 || exportTo.includes('*');
    return isForMesh && isForAll && hosts.some((host) => isHostCoveredBy(hostname, fullName(host, metadata.namespace)));
  });
}

/** For clients that have no rule for the host. It is younger than all rules that are written. */
function virtualServiceFor({ canary: { metadata }, hostname }: Release): VirtualService {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Canary',
    metadata,
    spec: { hosts: [hostname], http: [{ name: metadata.name, route: [{ destination: { host: hostname } }] }] },
  };
}

function overlay(resource: VirtualService, release: Release): VirtualService {
  const { spec, metadata } = resource;
  const { namespace } = metadata;
  if (!spec.http?.some((rule) => membersOf(rule, release, namespace).length > 0)) return resource;
  const http = spec.http.flatMap((rule, index) => overlayRule(rule, { release, namespace, index }));
  return { ...resource, metadata: withSticky(metadata, release), spec: { ...spec, http } };
}

function withSticky(metadata: VirtualService['metadata'], { canary }: Release): VirtualService['metadata'] {
  const { sticky } = canary.spec;
  if (sticky === undefined || metadata.annotations?.[stickyAnnotation] !== undefined) return metadata;
  return { ...metadata, annotations: { ...metadata.annotations, [stickyAnnotation]: sticky } };
}

interface RulePlace {
  readonly release: Release;
  /** Of the VirtualService. */
  readonly namespace: string;
  readonly index: number;
}

function overlayRule(rule: HTTPRoute, { release, namespace, index }: RulePlace): HTTPRoute[] {
  const { canary, routing } = release;
  rememberOrigin(rule, { rootIndex: index, delegate: undefined, delegateIndex: 0 });
  const members = membersOf(rule, release, namespace);
  const [first] = members;
  if (first === undefined) return [rule];
  const name = `${canary.metadata.namespace}/${canary.metadata.name}`;
  const route = splitRoute(rule.route ?? [], members, release);
  const split = { ...withMirror(rule, first, release), route };
  copyOrigin(rule, split, { canary: name, isForTestUsers: false });
  const matched = routing.toMatched ? matchedRule(rule, members, release) : undefined;
  if (matched === undefined) return [split];
  copyOrigin(rule, matched, { canary: name, isForTestUsers: true });
  return [matched, split];
}

/** Destinations that are the service's, or one of the two subsets; another subset is another story. */
function membersOf(
  { route = [] }: HTTPRoute,
  { canary, hostname }: Release,
  namespace: string,
): HTTPRouteDestination[] {
  const { primary, canary: next } = canary.spec.subsets;
  return route.filter(
    ({ destination: { host, subset = '' } }) =>
      ['', primary, next].includes(subset) && fullName(host, namespace) === hostname,
  );
}

/** Envoy counts the weights of a split in a uint32. */
const maxTotalWeight = 2 ** 32 - 1;

/** Their weight stays with them, and is split between the two. Weights are relative: times a hundred they stay whole. */
function splitRoute(
  route: readonly HTTPRouteDestination[],
  members: readonly HTTPRouteDestination[],
  { canary, routing: { weight } }: Release,
): HTTPRouteDestination[] {
  const weightOf = ({ weight: own }: HTTPRouteDestination): number => own ?? (route.length === 1 ? 100 : 0);
  const sumOf = (list: readonly HTTPRouteDestination[]): number => list.reduce((sum, each) => sum + weightOf(each), 0);
  const scale = Math.min(100, maxTotalWeight / Math.max(1, sumOf(route)));
  const scaled = (part: number): number => Math.floor(part * scale);
  const total = sumOf(members);
  const { primary, canary: next } = canary.spec.subsets;
  const others = route.filter((destination) => !members.includes(destination));
  return [
    ...others.map((destination) => ({ ...destination, weight: scaled(weightOf(destination)) })),
    ...(weight === 100 ? [] : [{ ...memberFor(members, primary), weight: scaled((total * (100 - weight)) / 100) }]),
    ...(weight === 0 ? [] : [{ ...memberFor(members, next), weight: scaled((total * weight) / 100) }]),
  ];
}

/** With the headers of the one that names the subset, or of the first. */
function memberFor(members: readonly HTTPRouteDestination[], subset: string): HTTPRouteDestination {
  const member = members.find(({ destination }) => destination.subset === subset) ?? members[0];
  return { ...member, destination: { ...member?.destination, host: member?.destination.host ?? '', subset } };
}

/** Test users, in front of the rule: those among whom the rule looks. Matches that lie outside of it stay outside. */
function matchedRule(
  rule: HTTPRoute,
  members: readonly HTTPRouteDestination[],
  { canary: { spec } }: Release,
): HTTPRoute | undefined {
  const match = (spec.analysis?.match ?? []).flatMap((users) => mergeMatches(rule.match ?? [], [users]) ?? []);
  if (match.length === 0) return undefined;
  const name = rule.name === undefined ? {} : { name: `${rule.name}-canary` };
  return { ...rule, ...name, match, route: [{ ...memberFor(members, spec.subsets.canary), weight: 100 }] };
}

/** Copies go to the canary beside where the rule sends them; one mirror and several are written in different ways. */
function withMirror(
  rule: HTTPRoute,
  { destination }: HTTPRouteDestination,
  { canary, routing: { mirrorPercent } }: Release,
): HTTPRoute {
  if (mirrorPercent === 0) return rule;
  const { mirror, mirrors = [], mirrorPercent: olderField, mirrorPercentage, ...rest } = rule;
  const percentage = mirrorPercentage ?? { value: olderField ?? 100 };
  const own = mirror === undefined ? mirrors : [{ destination: mirror, percentage }];
  const copy = { ...destination, subset: canary.spec.subsets.canary };
  return { ...rest, mirrors: [...own, { destination: copy, percentage: { value: mirrorPercent } }] };
}

function fullName(host: string, namespace: string): string {
  return resolveShortName(host, namespace).toLowerCase();
}
