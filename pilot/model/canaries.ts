/**
 * Releases over the users' rules: the share of a Canary is laid over every rule that leads to its host. What users wrote
 * stays as it is in the store, so that whoever applies it again changes nothing.
 */
import { type CanarySpec, type CanaryStatus, type CanaryRouting, hostOfCanary, routingOf } from '../../crds/canary.ts';
import type { DestinationRuleSpec } from '../../crds/destination-rule.ts';
import { resolveShortName } from '../../crds/host.ts';
import type { Resource } from '../../crds/resource.ts';
import { stickyAnnotation } from '../../crds/sticky.ts';
import type { HTTPRoute, HTTPRouteDestination } from '../../crds/virtual-service.ts';
import { mergeMatches } from './match-merge.ts';
import type { VirtualService } from './virtual-services.ts';

export type Canary = Omit<Resource<CanarySpec>, 'status'> & { readonly status?: CanaryStatus };

interface Release {
  readonly canary: Canary;
  /** Full, in lower case. */
  readonly hostname: string;
  readonly routing: CanaryRouting;
}

/** `virtualServices` as they are with every release whose subsets exist; oldest first, as they came. */
export function overlayCanaries(
  virtualServices: readonly VirtualService[],
  canaries: readonly Canary[],
  destinationRules: readonly Resource[],
): VirtualService[] {
  const releases = canaries.map(releaseOf).filter((release) => areSubsetsDefined(release, destinationRules));
  if (releases.length === 0) return [...virtualServices];
  const claimed = new Set(virtualServices.flatMap(hostnamesForMesh));
  const missing = releases.filter(({ hostname }) => !claimed.has(hostname)).map(virtualServiceFor);
  return [...virtualServices, ...missing].map((resource) => releases.reduce(overlay, resource));
}

/** The same text for statuses that route the same. */
export function routingKey({ spec, status }: Canary): string {
  return JSON.stringify(routingOf(spec, status));
}

function releaseOf(canary: Canary): Release {
  const { spec, status, metadata } = canary;
  return { canary, hostname: fullName(hostOfCanary(spec), metadata.namespace), routing: routingOf(spec, status) };
}

function areSubsetsDefined({ canary, hostname }: Release, rules: readonly Resource[]): boolean {
  const names = new Set(
    rules.flatMap(({ spec, metadata }) => {
      const { host, subsets = [] } = spec as DestinationRuleSpec;
      return fullName(host, metadata.namespace) === hostname ? subsets.map(({ name }) => name) : [];
    }),
  );
  const { primary, canary: next } = canary.spec.subsets;
  return names.has(primary) && names.has(next);
}

function hostnamesForMesh({ spec: { hosts = [], gateways = [] }, metadata }: VirtualService): string[] {
  const isForMesh = gateways.length === 0 || gateways.includes('mesh');
  return isForMesh ? hosts.map((host) => fullName(host, metadata.namespace)) : [];
}

/** For a host that nobody wrote a rule for. */
function virtualServiceFor({ canary: { metadata }, hostname }: Release): VirtualService {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata,
    spec: { hosts: [hostname], http: [{ name: metadata.name, route: [{ destination: { host: hostname } }] }] },
  };
}

function overlay(resource: VirtualService, release: Release): VirtualService {
  const { spec, metadata } = resource;
  const { namespace } = metadata;
  if (!spec.http?.some((rule) => membersOf(rule, release, namespace).length > 0)) return resource;
  const http = spec.http.flatMap((rule) => overlayRule(rule, release, namespace));
  return { ...resource, metadata: withSticky(metadata, release), spec: { ...spec, http } };
}

function withSticky(metadata: VirtualService['metadata'], { canary }: Release): VirtualService['metadata'] {
  const { sticky } = canary.spec;
  if (sticky === undefined || metadata.annotations?.[stickyAnnotation] !== undefined) return metadata;
  return { ...metadata, annotations: { ...metadata.annotations, [stickyAnnotation]: sticky } };
}

function overlayRule(rule: HTTPRoute, release: Release, namespace: string): HTTPRoute[] {
  const members = membersOf(rule, release, namespace);
  const [first] = members;
  if (first === undefined) return [rule];
  const { routing } = release;
  const split = { ...rule, route: splitRoute(rule.route ?? [], members, release), ...mirrorsOf(rule, first, release) };
  const matched = routing.toMatched ? matchedRule(rule, members, release) : undefined;
  return matched === undefined ? [split] : [matched, split];
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

/** Their weight stays with them, and is split between the two. Weights are relative: times a hundred they stay whole. */
function splitRoute(
  route: readonly HTTPRouteDestination[],
  members: readonly HTTPRouteDestination[],
  { canary, routing: { weight } }: Release,
): HTTPRouteDestination[] {
  const weightOf = ({ weight: own }: HTTPRouteDestination): number => own ?? (route.length === 1 ? 100 : 0);
  const total = members.reduce((sum, member) => sum + weightOf(member), 0);
  const { primary, canary: next } = canary.spec.subsets;
  const others = route.filter((destination) => !members.includes(destination));
  return [
    ...others.map((destination) => ({ ...destination, weight: weightOf(destination) * 100 })),
    ...(weight === 100 ? [] : [{ ...memberFor(members, primary), weight: total * (100 - weight) }]),
    ...(weight === 0 ? [] : [{ ...memberFor(members, next), weight: total * weight }]),
  ];
}

/** With the headers of the one that names the subset, or of the first. */
function memberFor(members: readonly HTTPRouteDestination[], subset: string): HTTPRouteDestination {
  const member = members.find(({ destination }) => destination.subset === subset) ?? members[0];
  return { ...member, destination: { ...member?.destination, host: member?.destination.host ?? '', subset } };
}

/** Test users, in front of the rule: those among whom the rule looks. */
function matchedRule(
  rule: HTTPRoute,
  members: readonly HTTPRouteDestination[],
  { canary: { spec } }: Release,
): HTTPRoute | undefined {
  const match = mergeMatches(rule.match ?? [], spec.analysis?.match ?? []);
  if (match === undefined || match.length === 0) return undefined;
  const name = rule.name === undefined ? {} : { name: `${rule.name}-canary` };
  return { ...rule, ...name, match, route: [{ ...memberFor(members, spec.subsets.canary), weight: 100 }] };
}

function mirrorsOf(
  rule: HTTPRoute,
  { destination }: HTTPRouteDestination,
  { canary, routing: { mirrorPercent } }: Release,
): Pick<HTTPRoute, 'mirrors'> {
  if (mirrorPercent === 0) return {};
  const mirror = {
    destination: { ...destination, subset: canary.spec.subsets.canary },
    percentage: { value: mirrorPercent },
  };
  return { mirrors: [...(rule.mirrors ?? []), mirror] };
}

function fullName(host: string, namespace: string): string {
  return resolveShortName(host, namespace).toLowerCase();
}
