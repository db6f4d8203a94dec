/** WorkloadEntry, alone and as an endpoint of a ServiceEntry. Source of the rules: istio/istio pkg/config/validation. */
import { childPath, type Findings, show } from '../findings.ts';
import { dnsLabelFault, domainFault, isIpAddress } from '../names.ts';
import type { WorkloadEntrySpec } from '../workload-entry.ts';
import type { Check } from './check.ts';
import { checkLabels } from './labels.ts';

export const checkWorkloadEntry: Check<WorkloadEntrySpec> = (spec, _metadata, findings) => {
  checkEndpoint(spec, 'spec', findings, { allowDomain: true, allowUnix: true });
};

export interface EndpointRules {
  readonly allowDomain: boolean;
  readonly allowUnix: boolean;
  /** The names that `ports` may use; undefined when no service is known. */
  readonly servicePorts?: ReadonlySet<string>;
}

export function checkEndpoint(entry: WorkloadEntrySpec, path: string, findings: Findings, rules: EndpointRules): void {
  const { address = '', ports = {} } = entry;
  checkAddress(entry, path, findings, rules);
  for (const name of Object.keys(ports)) {
    const at = childPath(`${path}.ports`, name);
    findings.expect(at, dnsLabelFault(name));
    if (rules.servicePorts?.has(name) === false) {
      findings.error(at, `must name a port of the service (${[...rules.servicePorts].join(', ')}), got ${show(name)}`);
    }
  }
  checkLabels(entry.labels ?? {}, `${path}.labels`, findings);
  if (!address.startsWith(unixPrefix)) return;
  if (Object.keys(ports).length > 0) findings.error(`${path}.ports`, 'must not be given for a unix socket');
  if (rules.servicePorts !== undefined && rules.servicePorts.size !== 1) {
    findings.error(`${path}.address`, `must not be a unix socket in a service with ${rules.servicePorts.size} ports`);
  }
}

const unixPrefix = 'unix://';

function checkAddress(entry: WorkloadEntrySpec, path: string, findings: Findings, rules: EndpointRules): void {
  const { address = '', network = '' } = entry;
  const at = `${path}.address`;
  if (address === '') {
    if (network === '') findings.error(at, 'is required');
    else findings.warn(at, `is not given: the gateway of network ${show(network)} is used`);
    return;
  }
  if (isIpAddress(address)) return;
  if (address.startsWith(unixPrefix) && rules.allowUnix) {
    const socket = address.slice(unixPrefix.length);
    const isFile = socket.startsWith('@') || (socket.startsWith('/') && !socket.endsWith('/'));
    if (!isFile) findings.error(at, `must be an absolute path to a socket, got ${show(address)}`);
    return;
  }
  if (!rules.allowDomain) findings.error(at, `must be an IP address, got ${show(address)}`);
  else if (domainFault(address) !== undefined)
    findings.error(at, `must be an IP address or a domain name, got ${show(address)}`);
}
