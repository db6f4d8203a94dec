/** ServiceEntry as a whole. Source of the rules: istio/istio pkg/config/validation. */
import { type Findings, show } from '../findings.ts';
import { dnsLabelFault, domainFault, subnetFault, wildcardDomainFault } from '../names.ts';
import { isHttp, isKnownProtocol, isTls } from '../protocol.ts';
import type { ServiceEntrySpec } from '../service-entry.ts';
import type { Check, CheckedMetadata } from './check.ts';
import { checkExportTo } from './export-to.ts';
import { checkSelector } from './labels.ts';
import { checkEndpoint } from './workload-entry.ts';

export const checkServiceEntry: Check<ServiceEntrySpec> = (spec, metadata, findings) => {
  const { workloadSelector, endpoints, exportTo = [] } = spec;
  if (workloadSelector !== undefined) checkSelector(workloadSelector.labels, 'spec.workloadSelector.labels', findings);
  if (workloadSelector !== undefined && endpoints !== undefined) {
    findings.error('spec.workloadSelector', 'must not stand beside endpoints');
  }
  checkHosts(spec, findings);
  for (const [index, address] of (spec.addresses ?? []).entries()) {
    findings.expect(`spec.addresses[${index}]`, subnetFault(address));
  }
  checkPorts(spec, findings);
  checkResolution(spec, metadata, findings);
  checkExportTo(exportTo, metadata, findings, { allowNone: true });
};

function checkHosts({ hosts, resolution }: ServiceEntrySpec, findings: Findings): void {
  if (hosts.length === 0) findings.error('spec.hosts', 'must have at least one host');
  for (const [index, host] of hosts.entries()) {
    const path = `spec.hosts[${index}]`;
    if (host === '*') findings.error(path, 'must not be "*"');
    else findings.expect(path, wildcardDomainFault(host));
    const isPartialWildcard = host.startsWith('*') && host.length > 1 && !host.startsWith('*.');
    if (isPartialWildcard && resolution !== 'DYNAMIC_DNS')
      findings.warn(path, 'has a partial wildcard: write "*." and a domain');
  }
}

function checkPorts(spec: ServiceEntrySpec, findings: Findings): void {
  const { ports = [], addresses = [], hosts, resolution = 'NONE' } = spec;
  for (const [index, { name, number, protocol = '' }] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    const earlier = ports.slice(0, index);
    if (earlier.some((port) => port.name === name)) findings.error(`${path}.name`, `repeats ${show(name)}`);
    if (earlier.some((port) => port.number === number)) findings.error(`${path}.number`, `repeats ${number}`);
    findings.expect(`${path}.name`, dnsLabelFault(name));
    if (!isKnownProtocol(protocol))
      findings.error(`${path}.protocol`, `must be a protocol such as HTTP or TCP, got ${show(protocol)}`);
    const isTcp = protocol === '' || protocol === 'TCP';
    if (isTcp && addresses.length === 0)
      findings.warn(`${path}.protocol`, 'is TCP: connections need spec.addresses to be told apart');
    if (resolution !== 'NONE' && hosts.length > 1 && !isHttp(protocol) && !isTls(protocol)) {
      findings.error(`${path}.protocol`, `must be HTTP or TLS when there are several hosts, got ${show(protocol)}`);
    }
  }
}

function checkResolution(spec: ServiceEntrySpec, metadata: CheckedMetadata, findings: Findings): void {
  const { resolution = 'NONE', endpoints = [], addresses = [] } = spec;
  const hasBlock = addresses.some((address) => address.includes('/'));
  if (hasBlock && resolution !== 'NONE' && resolution !== 'STATIC') {
    findings.error('spec.addresses', `must be single addresses when resolution is ${resolution}`);
  }
  switch (resolution) {
    case 'NONE':
      if (endpoints.length > 0) findings.error('spec.endpoints', 'must not be given when resolution is NONE');
      if (spec.workloadSelector !== undefined)
        findings.warn('spec.workloadSelector', 'has no effect when resolution is NONE');
      return;
    case 'STATIC':
      return checkEndpoints(spec, findings, false);
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      return checkDns(spec, findings);
    case 'DYNAMIC_DNS':
      return checkDynamicDns(spec, metadata, findings);
  }
}

function checkEndpoints({ endpoints = [], ports = [] }: ServiceEntrySpec, findings: Findings, isDns: boolean): void {
  const servicePorts = new Set(ports.map(({ name }) => name));
  for (const [index, endpoint] of endpoints.entries()) {
    const rules = { allowDomain: isDns, allowUnix: !isDns, servicePorts };
    checkEndpoint(endpoint, `spec.endpoints[${index}]`, findings, rules);
  }
}

function checkDns(spec: ServiceEntrySpec, findings: Findings): void {
  const { hosts, endpoints = [], resolution } = spec;
  for (const [index, host] of hosts.entries()) {
    if (endpoints.length > 0 || domainFault(host) === undefined) continue;
    findings.error(
      `spec.hosts[${index}]`,
      `must be a full domain name to be looked up when there are no endpoints, got ${show(host)}`,
    );
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    findings.error(
      'spec.endpoints',
      `must have at most one endpoint when resolution is DNS_ROUND_ROBIN, got ${endpoints.length}`,
    );
  }
  checkEndpoints(spec, findings, true);
}

const dynamicProtocols: ReadonlySet<string> = new Set(['http', 'tls', 'grpc', 'http2']);

function checkDynamicDns(spec: ServiceEntrySpec, metadata: CheckedMetadata, findings: Findings): void {
  for (const [index, host] of spec.hosts.entries()) {
    if (!host.startsWith('*'))
      findings.error(`spec.hosts[${index}]`, 'must be a wildcard when resolution is DYNAMIC_DNS');
  }
  for (const field of ['addresses', 'endpoints'] as const) {
    if ((spec[field]?.length ?? 0) > 0)
      findings.error(`spec.${field}`, 'must not be given when resolution is DYNAMIC_DNS');
  }
  for (const [index, { protocol = '' }] of (spec.ports ?? []).entries()) {
    if (dynamicProtocols.has(protocol.toLowerCase())) continue;
    findings.error(
      `spec.ports[${index}].protocol`,
      `must be HTTP, HTTP2, GRPC or TLS when resolution is DYNAMIC_DNS, got ${show(protocol)}`,
    );
  }
  const waypoint = metadata.labels['istio.io/use-waypoint'] ?? '';
  if (spec.location === 'MESH_INTERNAL' && waypoint !== '' && waypoint.toLowerCase() !== 'none') {
    findings.error('spec.location', 'must not be MESH_INTERNAL when resolution is DYNAMIC_DNS and a waypoint is used');
  }
}
