/** Which hosts of a gateway's server a VirtualService rules. */
import { isHostCoveredBy, resolveShortName } from '../../crds/host.ts';
import type { Client } from '../model/client.ts';
import type { MergedServer } from '../model/gateways.ts';
import type { PushConfig } from '../model/push-context.ts';
import type { VirtualService } from '../model/virtual-services.ts';

export interface BoundRules {
  readonly rules: VirtualService;
  /** At least one; lower case. */
  readonly hosts: readonly string[];
}

/** The VirtualServices that name the gateway of the server and have a host in common with it, oldest first. */
export function boundRules(server: MergedServer, config: PushConfig, client: Client): BoundRules[] {
  return config.virtualServices.boundTo(server.gateway, client.namespace).flatMap((rules) => {
    const hosts = commonHosts(server, rules);
    return hosts.length === 0 ? [] : [{ rules, hosts }];
  });
}

/** Of two hosts that overlap the narrower one: `a.example.com` where one side says that and the other `*.example.com`. */
function commonHosts({ hosts }: MergedServer, { spec, metadata }: VirtualService): string[] {
  const usable = hosts.filter(({ namespace }) => namespace === undefined || namespace === metadata.namespace);
  const ruled = (spec.hosts ?? []).map((host) => resolveShortName(host, metadata.namespace).toLowerCase());
  const common = usable.flatMap(({ name }) =>
    ruled.flatMap((host) => {
      if (isHostCoveredBy(host, name)) return [host];
      return isHostCoveredBy(name, host) ? [name] : [];
    }),
  );
  return [...new Set(common)];
}
