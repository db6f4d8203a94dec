/** TLS and TCP routes of a VirtualService. */
import { type Findings, show } from '../findings.ts';
import { isHostCoveredBy } from '../host.ts';
import { isIpAddress, subnetFault, wildcardDomainFault } from '../names.ts';
import type { L4MatchAttributes, TCPRoute, TLSRoute, VirtualServiceSpec } from '../virtual-service.ts';
import { checkDestinations } from './destinations.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { checkLabels } from './labels.ts';

export function checkTlsRoute(route: TLSRoute, path: string, findings: Findings, spec: VirtualServiceSpec): void {
  const { match = [], route: destinations = [] } = route;
  if (match.length === 0) findings.error(`${path}.match`, 'is required: a TLS route matches by SNI');
  for (const [index, { sniHosts = [], ...attributes }] of match.entries()) {
    const at = `${path}.match[${index}]`;
    if (sniHosts.length === 0) findings.error(`${at}.sniHosts`, 'is required');
    for (const [nth, host] of sniHosts.entries()) checkSniHost(host, `${at}.sniHosts[${nth}]`, findings, spec);
    checkL4Match(attributes, at, findings);
  }
  if (destinations.length === 0) findings.error(`${path}.route`, 'is required');
  checkDestinations(destinations, `${path}.route`, findings);
}

export function checkTcpRoute(route: TCPRoute, path: string, findings: Findings): void {
  const { match = [], route: destinations = [] } = route;
  for (const [index, attributes] of match.entries()) checkL4Match(attributes, `${path}.match[${index}]`, findings);
  if (destinations.length === 0) findings.error(`${path}.route`, 'is required');
  checkDestinations(destinations, `${path}.route`, findings);
}

function checkL4Match(match: L4MatchAttributes, path: string, findings: Findings): void {
  for (const [index, subnet] of (match.destinationSubnets ?? []).entries()) {
    findings.expect(`${path}.destinationSubnets[${index}]`, subnetFault(subnet));
  }
  checkLabels(match.sourceLabels ?? {}, `${path}.sourceLabels`, findings);
  checkGatewayNames(match.gateways ?? [], `${path}.gateways`, findings);
}

/** Names that Istio's AUTO_PASSTHROUGH gateways give to clusters: `outbound_.80_._.reviews.default.svc.cluster.local`. */
const generatedSni = /^outbound_\.\d+_\.[^_]*_\.[a-zA-Z].*$/;

function checkSniHost(host: string, path: string, findings: Findings, spec: VirtualServiceSpec): void {
  if (isIpAddress(host)) {
    findings.warn(path, 'is an IP address: clients send no SNI for those');
    return;
  }
  const isForGateway = spec.gateways !== undefined && !spec.gateways.includes('mesh');
  const fault = isForGateway && generatedSni.test(host) ? undefined : wildcardDomainFault(host);
  findings.expect(path, fault);
  const hosts = spec.hosts ?? [];
  if (fault === undefined && !hosts.some((outer) => isHostCoveredBy(host, outer))) {
    findings.error(path, `must be covered by spec.hosts (${hosts.join(', ')}), got ${show(host)}`);
  }
}
