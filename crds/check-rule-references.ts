/** What a CheckRule refers to, at apply: a provider of authorization, which cannot come later, and the ports of its host. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { type AuthorizationConfig, authorizationProviders } from './authorization-provider.ts';
import { type CheckRuleSpec, isOfRequests } from './check-rule.ts';
import { didYouMean, show } from './findings.ts';
import { resolveShortName } from './host.ts';
import type { ReferenceFindings, SomeResource } from './references.ts';
import type { ServiceEntrySpec } from './service-entry.ts';
import type { ServiceSpec } from './service.ts';

export function authorizationFaults({ provider }: CheckRuleSpec, meshConfig: AuthorizationConfig): FieldError[] {
  const names = authorizationProviders(meshConfig).map(({ name }) => name);
  if (provider === undefined || names.includes(provider)) return [];
  const hint = didYouMean(provider, names) || `, known are ${names.join(', ') || 'none'}`;
  const message = `no provider of authorization ${show(provider)} is in the mesh configuration${hint}`;
  return [{ path: 'spec.provider', message }];
}

/** Of what is applied, what nobody can enforce where the host is served. */
export function warnOfUnenforced(
  { spec, metadata: { namespace } }: SomeResource,
  resources: readonly SomeResource[],
  findings: ReferenceFindings,
): void {
  const { host, action, match = [] } = spec as CheckRuleSpec;
  if (host === undefined) return;
  const served = servedBy(resolveShortName(host, namespace).toLowerCase(), resources);
  if (served.isOutside) {
    const message = `${show(host)} is outside of the mesh: the rule is in force at the workloads that serve a host`;
    findings.warnings.push({ path: 'spec.host', message });
  }
  const numbers = served.connectionPorts;
  if (numbers.length === 0) return;
  const ports = `${numbers.length === 1 ? 'port' : 'ports'} ${numbers.join(' and ')}`;
  if (action === 'CUSTOM') {
    const message = `asks nobody about connections to ${ports} of ${show(host)}, which carry no HTTP that is read`;
    findings.warnings.push({ path: 'spec.action', message });
    return;
  }
  for (const [index, one] of match.entries()) {
    if (!isOfRequests(one) || one.ports?.some((port) => numbers.includes(port)) === false) continue;
    const never = action === 'ALLOW' ? 'lets in no connection' : 'keeps out no connection';
    const message = `${never} to ${ports} of ${show(host)}: what carries no HTTP that is read has no methods, paths and headers`;
    findings.warnings.push({ path: `spec.match[${index}]`, message });
  }
}

interface Served {
  readonly isOutside: boolean;
  /** Of the application, which are not read as HTTP; undeclared ones are looked at. */
  readonly connectionPorts: readonly number[];
}

function servedBy(hostname: string, resources: readonly SomeResource[]): Served {
  const ports: number[] = [];
  let isOutside = false;
  for (const { kind, spec, metadata } of resources) {
    if (kind === 'Service' && resolveShortName(metadata.name, metadata.namespace).toLowerCase() === hostname) {
      for (const { port, name = '', protocol = 'TCP', appProtocol, targetPort } of (spec as ServiceSpec).ports ?? []) {
        const isTcp = protocol === 'TCP' && isConnectionPort(appProtocol ?? name.split('-', 1)[0] ?? '');
        if (isTcp) ports.push(typeof targetPort === 'number' ? targetPort : port);
      }
    }
    if (kind !== 'ServiceEntry') continue;
    const entry = spec as ServiceEntrySpec;
    if (!entry.hosts.some((host) => host.toLowerCase() === hostname)) continue;
    isOutside ||= entry.location !== 'MESH_INTERNAL' && entry.workloadSelector === undefined;
    for (const { number, name, protocol, targetPort } of entry.ports ?? []) {
      if (isConnectionPort(protocol ?? name.split('-', 1)[0] ?? '')) ports.push(targetPort || number);
    }
  }
  return { isOutside, connectionPorts: [...new Set(ports)].sort((a, b) => a - b) };
}

/** Whether its protocol is declared, and none that a sidecar reads. */
function isConnectionPort(protocol: string): boolean {
  return declaredConnections.has(protocol.toLowerCase());
}

const declaredConnections: ReadonlySet<string> = new Set(['https', 'tls', 'tcp', 'mongo', 'redis', 'mysql']);
