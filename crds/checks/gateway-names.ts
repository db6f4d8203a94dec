/** Names of gateways: `namespace/name`, `name`, the reserved word `mesh`, or the old form `name.namespace.svc…`. */
import type { Findings } from '../findings.ts';
import { dnsLabelFault, domainFault } from '../names.ts';

export function checkGatewayNames(names: readonly string[], path: string, findings: Findings): void {
  for (const [index, name] of names.entries()) {
    const at = `${path}[${index}]`;
    const slash = name.indexOf('/');
    if (slash < 0) {
      findings.expect(at, domainFault(name));
      const [first = '', second] = name.split('.');
      if (second !== undefined) findings.warn(at, `is the old form of a gateway's name: write ${second}/${first}`);
      continue;
    }
    findings.expect(at, dnsLabelFault(name.slice(0, slash)) ?? dnsLabelFault(name.slice(slash + 1)));
  }
}
