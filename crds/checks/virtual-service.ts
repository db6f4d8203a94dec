/** VirtualService as a whole. Source of the rules: istio/istio pkg/config/validation, semantics S4, S31 and S32. */
import { childPath, type Findings, show } from '../findings.ts';
import { hostsOverlap } from '../host.ts';
import { isIpAddress, wildcardDomainFault } from '../names.ts';
import { stickyAnnotation, stickyFault } from '../sticky.ts';
import type { VirtualServiceSpec } from '../virtual-service.ts';
import type { Check } from './check.ts';
import { checkExportTo } from './export-to.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { isJwtClaim } from './http-match.ts';
import { checkHttpRoute } from './http-route.ts';
import { checkTcpRoute, checkTlsRoute } from './l4-route.ts';
import { warnHiddenPrefixes, warnUnreachable } from './reachability.ts';

export const checkVirtualService: Check<VirtualServiceSpec> = (spec, metadata, findings) => {
  const { hosts = [], gateways = [], http = [], tls = [], tcp = [], exportTo = [] } = spec;
  const isDelegate = hosts.length === 0;
  const isForMesh = gateways.length === 0 || gateways.includes('mesh');
  if (isDelegate) checkDelegate(spec, findings);
  checkGatewayNames(gateways, 'spec.gateways', findings);
  checkHosts(hosts, isForMesh, findings);
  if (isForMesh) checkJwtClaims(spec, findings);
  if (http.length + tls.length + tcp.length === 0) findings.error('spec.http', 'is required: one of http, tls and tcp');
  for (const [index, route] of http.entries()) checkHttpRoute(route, `spec.http[${index}]`, findings, isDelegate);
  for (const [index, route] of tls.entries()) checkTlsRoute(route, `spec.tls[${index}]`, findings, spec);
  for (const [index, route] of tcp.entries()) checkTcpRoute(route, `spec.tcp[${index}]`, findings);
  const sticky = metadata.annotations[stickyAnnotation];
  if (sticky !== undefined) findings.expect(childPath('metadata.annotations', stickyAnnotation), stickyFault(sticky));
  checkExportTo(exportTo, metadata, findings);
  warnUnreachable(http, 'spec.http', findings);
  warnUnreachable(tls, 'spec.tls', findings);
  warnUnreachable(tcp, 'spec.tcp', findings);
  warnHiddenPrefixes(http, 'spec.http', findings);
};

function checkDelegate(spec: VirtualServiceSpec, findings: Findings): void {
  for (const field of ['gateways', 'tls', 'tcp'] as const) {
    if ((spec[field]?.length ?? 0) === 0) continue;
    findings.error(
      `spec.${field}`,
      'must not be given without spec.hosts: that makes a delegate, which has http routes only',
    );
  }
}

function checkHosts(hosts: readonly string[], isForMesh: boolean, findings: Findings): void {
  const valid: { readonly host: string; readonly path: string }[] = [];
  for (const [index, host] of hosts.entries()) {
    const path = `spec.hosts[${index}]`;
    const fault = isIpAddress(host) ? undefined : wildcardDomainFault(host);
    if (fault !== undefined) findings.error(path, fault);
    else if (host === '*' && isForMesh)
      findings.error(path, 'must not be "*" in rules for the mesh, only for gateways');
    else valid.push({ host, path });
  }
  for (const [index, { host, path }] of valid.entries()) {
    const earlier = valid.slice(0, index).find((other) => hostsOverlap(other.host, host));
    if (earlier !== undefined)
      findings.error(path, `overlaps ${earlier.path}: ${show(host)} and ${show(earlier.host)}`);
  }
}

function checkJwtClaims(spec: VirtualServiceSpec, findings: Findings): void {
  for (const [index, route] of (spec.http ?? []).entries()) {
    for (const [nth, match] of (route.match ?? []).entries()) {
      for (const field of ['headers', 'withoutHeaders'] as const) {
        for (const name of Object.keys(match[field] ?? {}).filter(isJwtClaim)) {
          const path = childPath(`spec.http[${index}].match[${nth}].${field}`, name);
          findings.error(path, 'must not match claims of a token in rules for the mesh, only for gateways');
        }
      }
    }
  }
}
