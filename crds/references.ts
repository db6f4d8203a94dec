/**
 * Checks across resources, at apply: does a destination exist, does its subset, who else claims a host. Pure; sees the
 * resources as they would be after the apply, so that a VirtualService and its DestinationRule may come together.
 */
import type { AccessLogConfig } from './access-log.ts';
import { type CanarySpec, hostOfCanary } from './canary.ts';
import { checkCanaryReferences } from './canary-references.ts';
import { telemetryBlindness } from './canary-telemetry.ts';
import type { FieldError } from '../proxy/common/decoded.ts';
import type { AuthorizationConfig } from './authorization-provider.ts';
import { authorizationFaults, warnOfUnenforced } from './check-rule-references.ts';
import type { CheckRuleSpec } from './check-rule.ts';
import type { DestinationRuleSpec } from './destination-rule.ts';
import { show } from './findings.ts';
import { checkGatewayPorts } from './gateway-references.ts';
import { meshGateway, resolveGatewayName } from './gateway-name.ts';
import { isHostCoveredBy, resolveShortName } from './host.ts';
import type { RateLimitSpec } from './rate-limit.ts';
import { checkRateLimitReferences } from './rate-limit-references.ts';
import type { Resource } from './resource.ts';
import type { ServiceEntrySpec } from './service-entry.ts';
import { destinationsOf, type LocatedDestination } from './located-destinations.ts';
import { checkTelemetryReferences } from './telemetry-references.ts';
import type { Destination, VirtualServiceSpec } from './virtual-service.ts';

type Named = { readonly name: string; readonly namespace: string };
type User = Named & { readonly kind: 'VirtualService' | 'Canary' };
/** What a resource is before the store has it, and after. */
export type SomeResource = Pick<Resource, 'kind' | 'spec'> & { readonly metadata: Named };

/** One that serves a service. */
export interface ServingEndpoint {
  readonly labels: Readonly<Record<string, string>>;
}

export interface Mesh {
  /** Everything as it would be stored, oldest first. */
  readonly resources: readonly SomeResource[];
  /** Whether workloads have registered a service of this full name (lower case), beside those that `resources` define. */
  serviceExists(host: string): boolean;
  /** What serves a service of this full name now; undefined where nobody can know. */
  endpointsOf?(host: string): readonly ServingEndpoint[] | undefined;
  /** Of the process; undefined where nobody knows it. */
  readonly meshConfig?: (AccessLogConfig & AuthorizationConfig) | undefined;
}

export interface ReferenceFindings {
  readonly errors: FieldError[];
  readonly warnings: FieldError[];
}

interface Context {
  readonly mesh: MeshIndex;
  readonly findings: ReferenceFindings;
}

/** What is wrong with the references of `resource`, one of the mesh's; `previous` is what it replaces. */
export function checkReferences(resource: SomeResource, mesh: MeshIndex, previous?: SomeResource): ReferenceFindings {
  const findings: ReferenceFindings = { errors: [], warnings: [] };
  if (resource.kind === 'VirtualService') checkVirtualService(resource, { mesh, findings });
  if (resource.kind === 'RateLimit' || resource.kind === 'CheckRule') checkHost(resource, { mesh, findings });
  if (resource.kind === 'RateLimit') checkRateLimitReferences(resource, mesh.mesh.resources, findings);
  if (resource.kind === 'CheckRule') checkCheckRule(resource, { mesh, findings });
  if (resource.kind === 'Canary') checkCanaryReferences(resource, mesh, findings);
  if (resource.kind === 'Telemetry') {
    checkTelemetryReferences(resource, mesh.mesh, findings);
    findings.warnings.push(...telemetryBlindness(resource, mesh));
  }
  if (resource.kind === 'Gateway') checkGatewayPorts(resource, mesh.gateways, findings);
  if (resource.kind === 'DestinationRule') checkDestinationRule(resource, previous, { mesh, findings });
  return findings;
}

function checkVirtualService({ spec, metadata }: SomeResource, context: Context): void {
  warnOfGateways(spec as VirtualServiceSpec, metadata, context);
  context.findings.warnings.push(...findConflicts({ spec, metadata }, context.mesh));
  warnOfMissingDelegates(spec as VirtualServiceSpec, metadata, context);
  for (const { path, destination } of destinationsOf(spec as VirtualServiceSpec)) {
    checkDestination(destination, path, { namespace: metadata.namespace, ...context });
  }
}

function checkHost({ spec, metadata: { namespace } }: SomeResource, { mesh, findings }: Context): void {
  const { host } = spec as Pick<RateLimitSpec, 'host'> | Pick<CheckRuleSpec, 'host'>;
  if (host === undefined || mesh.isKnown(host, namespace)) return;
  findings.warnings.push({ path: 'spec.host', message: `no service ${show(host)} is known yet` });
}

function checkCheckRule(resource: SomeResource, { mesh, findings }: Context): void {
  const { meshConfig, resources } = mesh.mesh;
  warnOfUnenforced(resource, resources, findings);
  warnOfSources(resource, { mesh, findings });
  if (meshConfig === undefined) return;
  findings.errors.push(...authorizationFaults(resource.spec as CheckRuleSpec, meshConfig));
}

/** A service that nobody declares is nobody's: such a source lets nobody in and keeps nobody out. */
function warnOfSources({ spec, metadata: { namespace } }: SomeResource, { mesh, findings }: Context): void {
  for (const [index, { source }] of ((spec as CheckRuleSpec).match ?? []).entries()) {
    for (const [place, name] of (source?.services ?? []).entries()) {
      if (mesh.isKnown(name, namespace)) continue;
      const path = `spec.match[${index}].source.services[${place}]`;
      findings.warnings.push({ path, message: `no service ${show(name)} is known yet: until then nobody is meant` });
    }
  }
}

/** A subset must not be taken away from under a VirtualService or a Canary that routes to it. */
function checkDestinationRule(
  { spec, metadata: { namespace } }: SomeResource,
  previous: SomeResource | undefined,
  { mesh, findings }: Context,
): void {
  const { host } = spec as DestinationRuleSpec;
  if (!mesh.isKnown(host, namespace)) {
    findings.warnings.push({ path: 'spec.host', message: `no service ${show(host)} is known yet` });
  }
  const subsets = mesh.subsetsOf(host, namespace);
  for (const { name } of (previous?.spec as DestinationRuleSpec | undefined)?.subsets ?? []) {
    if (subsets.has(name)) continue;
    for (const { user, path } of mesh.usersOf(host, name, namespace)) {
      const message = `subset ${show(name)} must stay: ${user.kind} ${user.namespace}/${user.name} routes to it (${path})`;
      findings.errors.push({ path: 'spec.subsets', message });
    }
  }
}

/** The mesh, looked up by host. Built once per apply. */
export class MeshIndex {
  readonly mesh: Mesh;
  readonly #hosts = new Set<string>();
  readonly #wildcards: string[] = [];
  readonly #subsets = new Map<string, Set<string>>();
  readonly #claims = new Map<string, Named>();
  readonly #users: (User & LocatedDestination)[] = [];
  readonly #delegates = new Set<string>();
  readonly #gateways = new Set<string>();

  constructor(mesh: Mesh) {
    this.mesh = mesh;
    for (const { kind, spec, metadata } of mesh.resources) {
      if (kind === 'Service') this.#hosts.add(fullName(metadata.name, metadata.namespace));
      if (kind === 'ServiceEntry')
        for (const host of (spec as ServiceEntrySpec).hosts) this.#addHost(host, metadata.namespace);
      if (kind === 'DestinationRule') this.#addSubsets(spec as DestinationRuleSpec, metadata.namespace);
      if (kind === 'Gateway') this.#gateways.add(`${metadata.namespace}/${metadata.name}`);
      if (kind === 'VirtualService') this.#addVirtualService(spec as VirtualServiceSpec, metadata);
      if (kind === 'Canary') this.#addCanary(spec as CanarySpec, metadata);
    }
  }

  isKnown(host: string, namespace: string): boolean {
    const name = fullName(host, namespace);
    return (
      this.#hosts.has(name) ||
      this.#wildcards.some((wildcard) => isHostCoveredBy(name, wildcard)) ||
      this.mesh.serviceExists(name)
    );
  }

  /** The subsets that all DestinationRules of the host define together (semantics D2). */
  subsetsOf(host: string, namespace: string): ReadonlySet<string> {
    const name = fullName(host, namespace);
    const subsets = new Set(this.#subsets.get(name));
    for (const [pattern, names] of this.#subsets) {
      if (pattern.startsWith('*') && isHostCoveredBy(name, pattern)) for (const subset of names) subsets.add(subset);
    }
    return subsets;
  }

  /** The oldest VirtualService of the host: the one that is in force (semantics S4). */
  ownerOf(host: string, namespace: string): Named | undefined {
    return this.#claims.get(fullName(host, namespace));
  }

  /** Whether there is a VirtualService for others to include (semantics S31). */
  isDelegate({ name, namespace }: Named): boolean {
    return this.#delegates.has(`${namespace}/${name}`);
  }

  /** Oldest first. */
  get gateways(): readonly SomeResource[] {
    return this.mesh.resources.filter(({ kind }) => kind === 'Gateway');
  }

  /** `name`: `NAMESPACE/NAME`. */
  hasGateway(name: string): boolean {
    return this.#gateways.has(name);
  }

  /** The VirtualServices and Canaries that route to a subset. */
  usersOf(host: string, subset: string, namespace: string): { readonly user: User; readonly path: string }[] {
    const name = fullName(host, namespace);
    return this.#users
      .filter((user) => user.destination.subset === subset && fullName(user.destination.host, user.namespace) === name)
      .map((user) => ({ user, path: user.path }));
  }

  #addHost(host: string, namespace: string): void {
    const name = fullName(host, namespace);
    if (name.startsWith('*')) this.#wildcards.push(name);
    else this.#hosts.add(name);
  }

  #addSubsets({ host, subsets = [] }: DestinationRuleSpec, namespace: string): void {
    const name = fullName(host, namespace);
    const known = this.#subsets.get(name) ?? new Set();
    for (const subset of subsets) known.add(subset.name);
    this.#subsets.set(name, known);
  }

  #addCanary(spec: CanarySpec, { name, namespace }: Named): void {
    for (const role of ['primary', 'canary'] as const) {
      const destination = { host: hostOfCanary(spec), subset: spec.subsets[role] };
      this.#users.push({ kind: 'Canary', name, namespace, path: `spec.subsets.${role}`, destination });
    }
  }

  #addVirtualService(spec: VirtualServiceSpec, { name, namespace }: Named): void {
    for (const located of destinationsOf(spec))
      this.#users.push({ kind: 'VirtualService', name, namespace, ...located });
    if (!spec.hosts?.length) this.#delegates.add(`${namespace}/${name}`);
    for (const host of isForMesh(spec) ? (spec.hosts ?? []) : []) {
      const claimed = fullName(host, namespace);
      if (!this.#claims.has(claimed)) this.#claims.set(claimed, { name, namespace });
    }
  }
}

/** Host names are compared without regard to letter case. */
function fullName(host: string, namespace: string): string {
  return resolveShortName(host, namespace).toLowerCase();
}

/** A missing subset of a known service is a mistake; of an unknown one the rest of the mesh may still follow (semantics B3). */
function checkDestination(
  { host, subset }: Destination,
  path: string,
  { namespace, mesh, findings }: Context & { readonly namespace: string },
): void {
  const isKnown = mesh.isKnown(host, namespace);
  if (!isKnown) findings.warnings.push({ path: `${path}.host`, message: `no service ${show(host)} is known yet` });
  if (!subset) return;
  const subsets = mesh.subsetsOf(host, namespace);
  if (subsets.has(subset)) return;
  const known = subsets.size === 0 ? 'none is' : `${[...subsets].join(', ')} are`;
  const message = `no DestinationRule of host ${show(host)} defines subset ${show(subset)}, ${known} defined`;
  (isKnown ? findings.errors : findings.warnings).push({ path: `${path}.subset`, message });
}

/** The rules of a delegate may follow, but until they do requests find no route here. */
function warnOfMissingDelegates({ http = [] }: VirtualServiceSpec, self: Named, { mesh, findings }: Context): void {
  for (const [index, { delegate }] of http.entries()) {
    if (delegate === undefined) continue;
    const named = { name: delegate.name ?? '', namespace: delegate.namespace || self.namespace };
    if (mesh.isDelegate(named)) continue;
    const message = `no VirtualService ${named.namespace}/${named.name} without hosts is known yet: the rule has no effect`;
    findings.warnings.push({ path: `spec.http[${index}].delegate`, message });
  }
}

/** Whether the rules are for sidecars. */
function isForMesh({ gateways = [] }: VirtualServiceSpec): boolean {
  return gateways.length === 0 || gateways.includes(meshGateway);
}

/** The Gateway may follow, but until it does the rules are in force for `mesh` at most. */
function warnOfGateways(spec: VirtualServiceSpec, { namespace }: Named, { mesh, findings }: Context): void {
  const named = [
    ...gatewaysAt('spec.gateways', spec.gateways),
    ...(['http', 'tls', 'tcp'] as const).flatMap((kind) =>
      (spec[kind] ?? []).flatMap(({ match = [] }, index) =>
        match.flatMap(({ gateways }, nth) => gatewaysAt(`spec.${kind}[${index}].match[${nth}].gateways`, gateways)),
      ),
    ),
  ];
  for (const { path, gateway } of named) {
    const name = resolveGatewayName(gateway, namespace);
    if (mesh.hasGateway(name)) continue;
    findings.warnings.push({ path, message: `no Gateway ${name} is known yet: rules for it have no effect` });
  }
}

function gatewaysAt(path: string, gateways: readonly string[] = []): { path: string; gateway: string }[] {
  return gateways.flatMap((gateway, i) => (gateway === meshGateway ? [] : [{ path: `${path}[${i}]`, gateway }]));
}

/** Hosts of a VirtualService that an older one has too: that one is in force (semantics S4, B4). */
export function findConflicts({ spec, metadata }: Omit<SomeResource, 'kind'>, mesh: MeshIndex): FieldError[] {
  const { hosts = [], ...rules } = spec as VirtualServiceSpec;
  return (isForMesh(rules) ? hosts : []).flatMap((host, index): FieldError[] => {
    const owner = mesh.ownerOf(host, metadata.namespace);
    if (owner === undefined || (owner.name === metadata.name && owner.namespace === metadata.namespace)) return [];
    const message = `VirtualService ${owner.namespace}/${owner.name} is older and has host ${show(host)} too: it wins, this one is ignored for that host`;
    return [{ path: `spec.hosts[${index}]`, message }];
  });
}
