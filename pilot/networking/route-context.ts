/** What the routes of one virtual host are made for, and the clusters that its rules name. */
import { resolveShortName } from '../../crds/host.ts';
import type { Destination } from '../../crds/virtual-service.ts';
import type { Client } from '../model/client.ts';
import type { PushConfig } from '../model/push-context.ts';
import type { VirtualService } from '../model/virtual-services.ts';
import { outboundClusterName } from './cluster-name.ts';

export interface RouteContext {
  readonly rules: VirtualService;
  readonly config: PushConfig;
  readonly client: Client;
  /** `NAMESPACE/NAME` of the gateway that the routes are for; undefined: they are for a sidecar. */
  readonly gateway?: string;
  /** Of the virtual host: where a destination of several ports goes when it names none (S16). */
  readonly port: number;
}

/** The service that a destination names, resolved in the namespace of the rule (S17). */
export function destinationHostname({ host }: Destination, rules: VirtualService): string {
  return resolveShortName(host, rules.metadata.namespace).toLowerCase();
}

/** A host or subset that the client does not know gives the name of a cluster that does not exist: 503 with flag NC (S33). */
export function clusterNameOf(destination: Destination, { rules, config, client, port }: RouteContext): string {
  const hostname = destinationHostname(destination, rules);
  const ports = config.services.visibleTo(client.namespace).find(hostname)?.ports ?? [];
  const onlyPort = ports.length === 1 ? ports[0]?.number : undefined;
  const chosen = destination.port?.number ?? onlyPort ?? port;
  return outboundClusterName({ port: chosen, subset: destination.subset ?? '', hostname });
}
