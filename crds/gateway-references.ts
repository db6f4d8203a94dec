/** What of a Gateway is not served because older Gateways for the same proxies have its port. */
import type { GatewayServer, GatewaySpec } from './gateway.ts';
import type { ReferenceFindings, SomeResource } from './references.ts';
import { sharingFault } from './server-kind.ts';

type GatewayResource = Pick<SomeResource, 'spec' | 'metadata'>;

/** `gateways`: all there are, oldest first. */
export function checkGatewayPorts(
  gateway: GatewayResource,
  gateways: readonly GatewayResource[],
  findings: ReferenceFindings,
): void {
  const { spec, metadata } = gateway;
  const { servers = [], selector = {} } = spec as GatewaySpec;
  const isSame = (other: GatewayResource): boolean =>
    other.metadata.name === metadata.name && other.metadata.namespace === metadata.namespace;
  const before = gateways.slice(0, gateways.findIndex(isSame)).filter((other) => selectsAlike(other, selector));
  const older = before.flatMap((other) =>
    ((other.spec as GatewaySpec).servers ?? []).map((server) => ({
      server,
      owner: `Gateway ${nameOf(other)} is older and`,
    })),
  );
  for (const [index, server] of servers.entries()) {
    const own = servers.slice(0, index).map((each) => ({ server: each, owner: 'an earlier one of its own' }));
    for (const { server: other, owner } of [...older, ...own]) {
      const fault = isSamePort(server, other) ? sharingFault(server, other) : undefined;
      if (fault === undefined) continue;
      const message = `is not served at port ${server.port.number}: ${owner} ${fault}`;
      findings.warnings.push({ path: `spec.servers[${index}]`, message });
      break;
    }
  }
}

function nameOf({ metadata: { namespace, name } }: GatewayResource): string {
  return `${namespace}/${name}`;
}

/** Some proxy is likely to be selected by both: one asks for all that the other asks for. */
function selectsAlike({ spec }: GatewayResource, selector: Readonly<Record<string, string>>): boolean {
  const other = Object.entries((spec as GatewaySpec).selector ?? {});
  const own = Object.entries(selector);
  const covers = (a: typeof own, b: typeof own): boolean =>
    a.every(([key, value]) => b.some(([k, v]) => k === key && v === value));
  return covers(own, other) || covers(other, own);
}

function isSamePort(a: GatewayServer, b: GatewayServer): boolean {
  return a.port.number === b.port.number && (a.bind || '0.0.0.0') === (b.bind || '0.0.0.0');
}
