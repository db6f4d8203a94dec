/** Kubernetes' Service as a whole. Source of the rules: kubernetes/kubernetes pkg/apis/core/validation, ValidateService. */
import { type Findings, show } from '../findings.ts';
import { dnsLabelFault, domainFault, isIpAddress, portFault } from '../names.ts';
import type { KubernetesServicePort, ServiceSpec } from '../service.ts';
import type { Check } from './check.ts';
import { checkExportToAnnotation } from './export-to.ts';
import { checkLabels } from './labels.ts';

export const checkService: Check<ServiceSpec> = (spec, metadata, findings) => {
  const { ports = [], type = 'ClusterIP', clusterIP = '' } = spec;
  checkLabels(spec.selector ?? {}, 'spec.selector', findings);
  checkExportToAnnotation(metadata, findings);
  if (type === 'ExternalName') {
    const { externalName = '' } = spec;
    findings.expect('spec.externalName', externalName === '' ? 'is required' : domainFault(externalName));
  } else if (ports.length === 0 && clusterIP !== 'None') {
    findings.error('spec.ports', 'is required');
  }
  if (clusterIP !== '' && clusterIP !== 'None' && !isIpAddress(clusterIP)) {
    findings.error('spec.clusterIP', `must be an IP address or None, got ${show(clusterIP)}`);
  }
  for (const [index, port] of ports.entries()) checkPort(port, index, ports, findings);
};

function checkPort(
  port: KubernetesServicePort,
  index: number,
  ports: readonly KubernetesServicePort[],
  findings: Findings,
): void {
  const path = `spec.ports[${index}]`;
  const { name = '', protocol = 'TCP', targetPort } = port;
  if (name === '') {
    if (ports.length > 1) findings.error(`${path}.name`, 'is required when there are several ports');
  } else {
    findings.expect(`${path}.name`, dnsLabelFault(name) ?? upperCaseFault(name));
  }
  for (const earlier of ports.slice(0, index)) {
    if (name !== '' && earlier.name === name) findings.error(`${path}.name`, `repeats ${show(name)}`);
    const isSame = earlier.port === port.port && (earlier.protocol ?? 'TCP') === protocol;
    if (isSame) findings.error(`${path}.port`, `repeats ${port.port}`);
  }
  if (targetPort !== undefined) findings.expect(`${path}.targetPort`, targetPortFault(targetPort));
}

function upperCaseFault(name: string): string | undefined {
  return name === name.toLowerCase() ? undefined : `must be lower case, got ${show(name)}`;
}

/** The schema leaves this field open: a number or a name. */
function targetPortFault(targetPort: unknown): string | undefined {
  if (typeof targetPort === 'number' && Number.isInteger(targetPort)) return portFault(targetPort);
  const isName = typeof targetPort === 'string' && /^(?=.*[a-z])[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?$/.test(targetPort);
  return isName ? undefined : `must be a port number or the name of a port, got ${show(targetPort)}`;
}
