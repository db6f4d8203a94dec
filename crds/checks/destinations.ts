/** Destinations and their weights, of HTTP, TLS and TCP routes. */
import { type Findings, show } from '../findings.ts';
import { dnsLabelFault, wildcardDomainFault } from '../names.ts';
import type { Destination } from '../virtual-service.ts';

export function checkDestination(destination: Destination, path: string, findings: Findings): void {
  if (destination.host === '*') findings.error(`${path}.host`, `must name one host, got ${show('*')}`);
  else findings.expect(`${path}.host`, wildcardDomainFault(destination.host));
  if (destination.subset) findings.expect(`${path}.subset`, dnsLabelFault(destination.subset));
}

interface WeightedDestination {
  readonly destination: Destination;
  readonly weight?: number;
}

/** Weights are relative and need not sum to 100, but several destinations cannot all have none (semantics S15). */
export function checkDestinations(routes: readonly WeightedDestination[], path: string, findings: Findings): void {
  for (const [index, { destination }] of routes.entries()) {
    checkDestination(destination, `${path}[${index}].destination`, findings);
  }
  const totalWeight = routes.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (routes.length > 1 && totalWeight === 0) {
    findings.error(path, 'must have at least one weight above 0 when there are several destinations');
  }
}
